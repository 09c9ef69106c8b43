/* Starts what the page has: live parts, dialogs, the player. Each module finds its own elements. */
import { startClocks } from "./clocks.js";
import { startDialogs } from "./dialogs.js";
import { startLive } from "./live.js";
import { startPlayer } from "./player.js";

startDialogs();
startPlayer();
startClocks();
startLive(document.body.dataset.live);
