/* Starts what the page has: live parts, rows, dialogs, the player. Each module finds its own elements. */
import { startClocks } from "./clocks.js";
import { startDialogs } from "./dialogs.js";
import { startLive } from "./live.js";
import { startPlayer } from "./player.js";
import { startRows } from "./rows.js";

startDialogs();
startPlayer();
startClocks();
startRows();
startLive(document.body.dataset.live);
