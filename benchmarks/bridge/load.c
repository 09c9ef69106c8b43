/* Plays N calls at once, in real time, against a bridge on this machine, and measures how late audio arrives.
 *
 * It is both ends of every call: the vendor's socket (a client of the bridge) and the AI service (a server of OpenAI's
 * Realtime messages, as far as a call needs them). What it sends is counted by its position in the audio, and what comes
 * out at the other end is found again by the same count, so that nothing needs to be marked and any re-cutting of the
 * stream is allowed. One thread, one epoll, no library beyond libc, so that it stays far below the load of what it
 * measures. It never sleeps: a sleeper is woken at the expense of whoever sends to it, and from another machine that
 * costs a bridge nothing.
 *
 *   load PORT AGENT_PORT PROTOCOL DELTA_MS WARM_UP_S MEASURE_S KNOCKS_PER_S KNOCKERS < paths
 *
 * PROTOCOL is psr, ucid, livecall or echo (frames come straight back; no agent). One path of the bridge per line
 * of stdin is one call. Calls are opened one after the other, so that each agent socket is known to be the last call's.
 * While it measures, so many handshakes a second come with bad tokens, from so many addresses beginning with 127.0.0.2;
 * where all of their sockets wait for an answer, some are left out, which shows in the number of answers.
 * Prints `start`, `stop` and a line of JSON; times in it are microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"

#define MAX_CALLS 2000
#define MAX_FRAMES 30000      /* of one call */
#define BUFFER_BYTES 65536    /* the largest message, and some */
#define BIN_US 10
#define BINS 200000           /* 2 s */
#define SPEECH_MS 8000        /* one utterance of the agent */
#define FIRST_SPEECH_MS 1000  /* one that begins before every call is open: the last to be disturbed by opening */
#define PAUSE_MS 400          /* between two; also longer than anything the bridge may still hold */
#define VARIANTS 16           /* different pieces of quiet noise */
#define OPEN_TIMEOUT_NS 15000000000ULL
#define ALL_OPEN_TIMEOUT_NS 60000000000ULL
#define NS_PER_MS 1000000ULL
#define MAX_KNOCKERS 500      /* waiting at once */
#define KNOCKS_AT_ONCE 20
/* Calls of ucid vendors go by "PPPPPPP-NNNN": this process, and the call. */
#define UCID_CHARS 12
#define UCID_FRAME "{\"event\":\"media\",\"type\":\"media\",\"ucid\":\""
#define PSR_CALL_ID "3f6c1f0e-5b1f-4f0b-9f0c-bench0000000"

enum kind { LEG, AGENT, LISTENER, KNOCKER };
enum protocol { PSR, UCID, LIVECALL, ECHO };

/* As on the command line. */
static const char *const protocols[] = {"psr", "ucid", "livecall", "echo"};
static const char *const farewells[] = {
  "{\"timestamp\":2,\"event\":\"closed\",\"data\":{\"call_id\":\"" PSR_CALL_ID "\"}}",
  "{\"event\":\"stop\",\"type\":\"text\",\"ucid\":\"bench\"}",
  "{\"disconnect\":{}}",
};

struct connection {
  enum kind kind;
  int fd, is_upgraded;
  size_t length;
  struct call *call;
  uint8_t *buffer;
};

struct stream {               /* one direction of one call: when each piece was sent, and what came out */
  uint64_t *sent_ns;          /* by piece, since the stream (or the utterance) began */
  int sent, found;
  uint64_t arrived_bytes;
  int piece_bytes;            /* what a piece is at the other end */
};

struct call {
  struct connection leg, agent;
  struct stream up, down;
  uint64_t next_frame_ns, next_delta_ns;
  int is_live, utterance, is_speaking, spoken_ms, speech_ms;
  char ucid[32];
};

struct histogram { uint32_t bins[BINS]; uint64_t count, max_us; };

static struct call *calls;
static char **paths;
static struct connection knockers[MAX_KNOCKERS];
static double knocks_per_s;
static uint64_t next_knock_ns;
static int addresses, knocked, blocked, answered;
static int call_count, opened, port, agent_port, delta_ms, frame_ms, epoll, stalls, is_measuring, lost;
static enum protocol protocol;
static struct connection listener = {.kind = LISTENER};
static struct histogram up_latency, down_latency, lateness;
static char *leg_frames[VARIANTS], *deltas[VARIANTS];

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static void part(void);

static void fail(const char *what) {
  fprintf(stderr, "load: %s (errno %d), %d calls opened\n", what, errno, opened);
  part();
  exit(1);
}

static void *zeroed(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory) fail("out of memory");
  return memory;
}

static void record(struct histogram *histogram, uint64_t ns) {
  uint64_t us = ns / 1000, bin = us / BIN_US;
  histogram->bins[bin < BINS ? bin : BINS - 1]++;
  histogram->count++;
  if (us > histogram->max_us) histogram->max_us = us;
}

static uint64_t percentile(const struct histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)((double)histogram->count * share), seen = 0;
  for (int bin = 0; bin < BINS; bin++)
    if ((seen += histogram->bins[bin]) > wanted) return (uint64_t)bin * BIN_US;
  return (uint64_t)BINS * BIN_US;
}

static void watch(struct connection *connection) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event)) fail("epoll_ctl");
}

static void start_connection(struct connection *connection, enum kind kind, int fd, struct call *call) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  if (!connection->buffer) connection->buffer = zeroed(1, BUFFER_BYTES);
  connection->kind = kind;
  connection->fd = fd;
  connection->call = call;
  connection->length = 0;
  connection->is_upgraded = 0;
  watch(connection);
}

static void put(struct connection *connection, const void *bytes, size_t length) {
  /* A peer that lets more than the socket's buffer pile up has failed the run: that is counted, and shown. */
  if (connection->fd >= 0 && send(connection->fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) stalls++;
}

static void send_frame(struct connection *connection, int opcode, const char *payload, size_t length) {
  static uint8_t frame[BUFFER_BYTES];
  static const uint8_t mask[4] = {0x5a, 0xc3, 0x17, 0x88};
  int is_masked = connection->kind == LEG;
  size_t header = 2;
  frame[0] = (uint8_t)(0x80 | opcode);
  if (length < 126) {
    frame[1] = (uint8_t)length;
  } else {
    frame[1] = 126;
    frame[2] = (uint8_t)(length >> 8);
    frame[3] = (uint8_t)length;
    header = 4;
  }
  if (is_masked) {
    frame[1] |= 0x80;
    memcpy(frame + header, mask, 4);
    header += 4;
    for (size_t i = 0; i < length; i++) frame[header + i] = (uint8_t)payload[i] ^ mask[i & 3];
  } else {
    memcpy(frame + header, payload, length);
  }
  put(connection, frame, header + length);
}

static void send_text(struct connection *connection, const char *text) {
  send_frame(connection, 1, text, strlen(text));
}

static void part(void) {
  /* The vendor says that its calls are over, so that none of them lives on into another run. */
  for (int i = 0; i < opened && protocol != ECHO; i++)
    if (calls[i].is_live) send_text(&calls[i].leg, farewells[protocol]);
}

/* The streams. */

static void piece_sent(struct stream *stream, uint64_t now) {
  if (stream->sent < MAX_FRAMES) stream->sent_ns[stream->sent++] = now;
}

static void audio_arrived(struct stream *stream, uint64_t bytes, uint64_t now, struct histogram *histogram) {
  stream->arrived_bytes += bytes;
  int whole = (int)(stream->arrived_bytes / (uint64_t)stream->piece_bytes);
  for (; stream->found < whole && stream->found < stream->sent; stream->found++)
    if (is_measuring) record(histogram, now - stream->sent_ns[stream->found]);
}

/* `key` ends with its colon; between that and the text some peers put a space. */
static uint64_t base64_bytes(const char *payload, size_t length, const char *key) {
  const char *start = memmem(payload, length, key, strlen(key)), *last = payload + length;
  if (!start) return 0;
  for (start += strlen(key); start < last && *start == ' ';) start++;
  if (start == last || *start++ != '"') return 0;
  const char *end = memchr(start, '"', (size_t)(last - start));
  if (!end) return 0;
  size_t chars = (size_t)(end - start);
  size_t padding = chars >= 2 ? (end[-1] == '=') + (size_t)(end[-2] == '=') : 0;
  return chars / 4 * 3 - padding;
}

static uint64_t sample_bytes(const char *payload, size_t length) {
  const char *start = memmem(payload, length, "\"samples\":[", 11);
  if (!start) return 0;
  uint64_t samples = 1;
  for (const char *at = start + 11; at < payload + length && *at != ']'; at++) samples += *at == ',';
  return samples * 2;
}

static void begin_utterance(struct call *call, uint64_t now) {
  char text[400];
  int number = ++call->utterance;
  snprintf(text, sizeof text, "{\"type\":\"response.created\",\"event_id\":\"e\",\"response\":{\"id\":\"resp_%d\","
           "\"object\":\"realtime.response\",\"status\":\"in_progress\",\"output\":[]}}", number);
  send_text(&call->agent, text);
  snprintf(text, sizeof text, "{\"type\":\"response.output_item.added\",\"event_id\":\"e\",\"response_id\":\"resp_%d\","
           "\"output_index\":0,\"item\":{\"id\":\"item_%d\",\"object\":\"realtime.item\",\"type\":\"message\","
           "\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":[]}}", number, number);
  send_text(&call->agent, text);
  call->is_speaking = 1;
  call->spoken_ms = 0;
  call->speech_ms = opened < call_count ? FIRST_SPEECH_MS : SPEECH_MS;
  /* What the bridge's filter still held of the utterance before has arrived by now; it belongs to no piece. */
  call->down.sent = call->down.found = 0;
  call->down.arrived_bytes = 0;
  call->next_delta_ns = now;
}

static void end_utterance(struct call *call, uint64_t now) {
  static const char *const events[] = {"response.output_audio.done", "response.output_audio_transcript.done"};
  char text[700];
  int number = call->utterance;
  for (int i = 0; i < 2; i++) {
    snprintf(text, sizeof text, "{\"type\":\"%s\",\"event_id\":\"e\",\"response_id\":\"resp_%d\",\"item_id\":\"item_%d\","
             "\"output_index\":0,\"content_index\":0%s}", events[i], number, number,
             i ? ",\"transcript\":\"All that was said in this utterance, in words.\"" : "");
    send_text(&call->agent, text);
  }
  snprintf(text, sizeof text, "{\"type\":\"response.done\",\"event_id\":\"e\",\"response\":{\"id\":\"resp_%d\","
           "\"object\":\"realtime.response\",\"status\":\"completed\",\"output\":[{\"id\":\"item_%d\",\"type\":\"message\","
           "\"role\":\"assistant\",\"status\":\"completed\",\"content\":[]}],\"usage\":null}}", number, number);
  send_text(&call->agent, text);
  snprintf(text, sizeof text, "{\"type\":\"conversation.item.input_audio_transcription.completed\",\"event_id\":\"e\","
           "\"item_id\":\"heard_%d\",\"content_index\":0,\"transcript\":\"What the customer said meanwhile.\","
           "\"usage\":{\"type\":\"duration\",\"seconds\":2}}", number);
  send_text(&call->agent, text);
  call->is_speaking = 0;
  call->next_delta_ns = now + PAUSE_MS * NS_PER_MS;
}

static void speak(struct call *call, uint64_t now) {
  static char text[BUFFER_BYTES];
  if (!call->is_speaking) {
    begin_utterance(call, now);
    return;
  }
  if (is_measuring) record(&lateness, now - call->next_delta_ns);
  int length = snprintf(text, sizeof text, "{\"type\":\"response.output_audio.delta\",\"event_id\":\"e\",\"response_id\":"
                        "\"resp_%d\",\"item_id\":\"item_%d\",\"output_index\":0,\"content_index\":0,\"delta\":\"%s\"}",
                        call->utterance, call->utterance, deltas[call->down.sent % VARIANTS]);
  piece_sent(&call->down, now);
  send_frame(&call->agent, 1, text, (size_t)length);
  call->spoken_ms += delta_ms;
  if (call->spoken_ms % 400 == 0) {
    snprintf(text, sizeof text, "{\"type\":\"response.output_audio_transcript.delta\",\"event_id\":\"e\",\"response_id\":"
             "\"resp_%d\",\"item_id\":\"item_%d\",\"output_index\":0,\"content_index\":0,\"delta\":\" a word\"}",
             call->utterance, call->utterance);
    send_text(&call->agent, text);
  }
  call->next_delta_ns += (uint64_t)delta_ms * NS_PER_MS;
  if (call->spoken_ms >= call->speech_ms) end_utterance(call, call->next_delta_ns);
}

static void say_frame(struct call *call, uint64_t now) {
  if (is_measuring) record(&lateness, now - call->next_frame_ns);
  piece_sent(&call->up, now);
  char *text = leg_frames[call->up.sent % VARIANTS];
  if (protocol == UCID) memcpy(text + sizeof UCID_FRAME - 1, call->ucid, UCID_CHARS);
  send_text(&call->leg, text);
  call->next_frame_ns += (uint64_t)frame_ms * NS_PER_MS;
}

/* Messages. */

static void call_opened(struct call *call) {
  uint64_t now = now_ns();
  call->is_live = 1;
  /* Calls are spread over the frame's time, as real ones are. */
  call->next_frame_ns = now + (uint64_t)(opened * 7919 % 1000) * (uint64_t)frame_ms * 1000;
  call->next_delta_ns = now + 300 * NS_PER_MS + (uint64_t)(opened * 7907 % 1000) * (uint64_t)delta_ms * 1000;
  opened++;
}

static void leg_message(struct call *call, char *payload, size_t length, uint64_t now) {
  if (protocol == ECHO)
    audio_arrived(&call->up, (uint64_t)call->up.piece_bytes, now, &up_latency);
  else if (protocol == UCID)
    audio_arrived(&call->down, sample_bytes(payload, length), now, &down_latency);
  else
    audio_arrived(&call->down, base64_bytes(payload, length, protocol == PSR ? "\"payload\":" : "\"audio_content\":"),
                  now, &down_latency);
}

static void agent_message(struct call *call, char *payload, size_t length, uint64_t now) {
  uint64_t bytes = base64_bytes(payload, length, "\"audio\":");
  if (bytes) {
    audio_arrived(&call->up, bytes, now, &up_latency);
  } else if (memmem(payload, length, "session.update", 14)) {
    send_text(&call->agent, "{\"type\":\"session.updated\",\"event_id\":\"e\",\"session\":{\"type\":\"realtime\",\"id\":\"s\"}}");
    if (!call->is_live) call_opened(call);
  }
}

static void upgraded(struct connection *connection) {
  static const char connected[] = "{\"timestamp\":1,\"event\":\"connected\",\"data\":{\"call_id\":\"" PSR_CALL_ID "\","
                                  "\"channel\":\"mono_a\"}}";
  connection->is_upgraded = 1;
  if (connection->kind == AGENT) {
    send_text(connection, "{\"type\":\"session.created\",\"event_id\":\"e\",\"session\":{\"type\":\"realtime\",\"id\":\"s\"}}");
  } else if (protocol == PSR) {
    send_text(connection, connected);
  } else if (protocol == UCID) {
    char start[120];
    snprintf(start, sizeof start, "{\"event\":\"start\",\"type\":\"text\",\"ucid\":\"%s\",\"did\":\"1900\"}", connection->call->ucid);
    send_text(connection, start);
  } else if (protocol == LIVECALL) {
    send_text(connection, "{\"initial_info\":{\"type_call\":\"inbound\"}}");
  } else if (protocol == ECHO) {
    call_opened(connection->call);
  }
}

static size_t shake_hands(struct connection *connection) {
  char *text = (char *)connection->buffer, accept[29], answer[200];
  char *end = memmem(text, connection->length, "\r\n\r\n", 4);
  if (!end) return 0;
  if (connection->kind == LEG) {
    if (memcmp(text + 9, "101", 3)) fail("the bridge refused a call");
  } else {
    *end = 0;
    char *key = strcasestr(text, "Sec-WebSocket-Key:");
    if (!key) fail("no key in the agent's handshake");
    for (key += 18; *key == ' ';) key++;
    accept_value(key, strcspn(key, "\r \0"), accept);
    int length = snprintf(answer, sizeof answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    put(connection, answer, (size_t)length);
  }
  upgraded(connection);
  return (size_t)(end - text) + 4;
}

static size_t next_frame(struct connection *connection, size_t at, uint64_t now) {
  uint8_t *frame = connection->buffer + at;
  size_t have = connection->length - at, header = 2;
  if (have < 2) return 0;
  size_t length = frame[1] & 127;
  if (length == 126) {
    if (have < 4) return 0;
    length = (size_t)frame[2] << 8 | frame[3];
    header = 4;
  } else if (length == 127) {
    fail("a message longer than expected");
  }
  uint8_t *mask = frame[1] & 128 ? frame + header : NULL;
  if (mask) header += 4;
  if (have < header + length) return 0;
  uint8_t *payload = frame + header;
  if (mask)
    for (size_t i = 0; i < length; i++) payload[i] ^= mask[i & 3];
  int opcode = frame[0] & 15;
  if (opcode == 9) send_frame(connection, 10, (char *)payload, length);
  if (opcode == 1 || opcode == 2)
    (connection->kind == LEG ? leg_message : agent_message)(connection->call, (char *)payload, length, now);
  return header + length;
}

static void hang_up(struct connection *connection) {
  close(connection->fd);
  connection->fd = -1;
  connection->call->is_live = 0;
  lost++;
}

static void readable(struct connection *connection) {
  ssize_t got = recv(connection->fd, connection->buffer + connection->length, BUFFER_BYTES - connection->length, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    hang_up(connection);
    return;
  }
  connection->length += (size_t)got;
  uint64_t now = now_ns();
  size_t at = 0, taken;
  if (!connection->is_upgraded) at = shake_hands(connection);
  while (connection->is_upgraded && (taken = next_frame(connection, at, now))) at += taken;
  connection->length -= at;
  memmove(connection->buffer, connection->buffer + at, connection->length);
}

static void open_call(struct call *call, const char *path) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  char request[2000];
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) fail("cannot connect to the bridge");
  start_connection(&call->leg, LEG, fd, call);
  int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        "Sec-WebSocket-Version: 13\r\n\r\n", path, port);
  put(&call->leg, request, (size_t)length);
}

static void accept_agent(void) {
  int fd = accept(listener.fd, NULL, NULL);
  struct connection *agent = &calls[opened].agent;
  if (fd < 0) return;
  /* The bridge tries a second time where the first took too long. */
  if (agent->buffer && agent->fd >= 0) close(agent->fd);
  start_connection(agent, AGENT, fd, &calls[opened]);
}

static void play(uint64_t now) {
  for (int i = 0; i < opened; i++) {
    struct call *call = &calls[i];
    if (!call->is_live) continue;
    while (call->next_frame_ns <= now) say_frame(call, now);
    while (protocol != ECHO && call->next_delta_ns <= now) speak(call, now);
  }
}

/* Handshakes with bad tokens. */

static void knock(struct connection *knocker) {
  struct sockaddr_in from = {.sin_family = AF_INET};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct epoll_event event = {.events = EPOLLOUT, .data.ptr = knocker};
  /* Neither end keeps a socket in TIME_WAIT: ports would run out within seconds. */
  struct linger at_once = {1, 0};
  int on = 1;
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(knocked % addresses));
  knocker->kind = KNOCKER;
  knocker->is_upgraded = 0;
  knocker->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(knocker->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  setsockopt(knocker->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (knocker->fd < 0 || bind(knocker->fd, (struct sockaddr *)&from, sizeof from)) fail("cannot knock");
  if (connect(knocker->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) fail("cannot knock");
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, knocker->fd, &event)) fail("epoll_ctl");
  knocked++;
}

static void knock_on(uint64_t now) {
  static int at;
  for (int i = 0; i < KNOCKS_AT_ONCE && next_knock_ns <= now; i++) {
    for (int tried = 0; tried < MAX_KNOCKERS && knockers[at].fd > 0; tried++) at = (at + 1) % MAX_KNOCKERS;
    if (knockers[at].fd <= 0) knock(&knockers[at]);
    next_knock_ns += (uint64_t)(1e9 / knocks_per_s);
  }
}

static void answer_knock(struct connection *knocker, uint32_t events) {
  static char text[4096];
  if (events == EPOLLOUT) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = knocker};
    int length = snprintf(text, sizeof text, "GET /%s%032d%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Version: 13\r\n\r\n", knocked % 2 ? "ws?token=" : "psr/forged.", knocked,
                          knocked % 2 ? "" : "?call_id=1", port);
    put(knocker, text, (size_t)length);
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, knocker->fd, &event)) fail("epoll_ctl");
    return;
  }
  ssize_t got = recv(knocker->fd, text, sizeof text, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got > 12 && !knocker->is_upgraded) {
    knocker->is_upgraded = 1;
    answered++;
    blocked += !memcmp(text + 9, "429", 3);
  }
  if (got > 0) return;
  close(knocker->fd);
  knocker->fd = 0;
}

static void run_until(uint64_t end, int wanted_calls) {
  struct epoll_event events[256];
  while (now_ns() < end && opened < wanted_calls) {
    play(now_ns());
    if (is_measuring && knocks_per_s > 0) knock_on(now_ns());
    int count = epoll_wait(epoll, events, 256, 0);
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (connection->kind == LISTENER)
        accept_agent();
      else if (connection->kind == KNOCKER)
        answer_knock(connection, events[i].events);
      else if (connection->fd >= 0)
        readable(connection);
    }
  }
}

static char *encode(const int16_t *samples, int count) {
  const uint8_t *bytes = (const uint8_t *)samples;
  int length = count * 2;
  char *text = zeroed((size_t)(length / 3 + 2), 4), *at = text;
  for (int i = 0; i < length; i += 3) {
    uint32_t group = (uint32_t)bytes[i] << 16 | (i + 1 < length ? (uint32_t)bytes[i + 1] << 8 : 0) |
                     (i + 2 < length ? bytes[i + 2] : 0);
    *at++ = BASE64[group >> 18];
    *at++ = BASE64[group >> 12 & 63];
    *at++ = i + 1 < length ? BASE64[group >> 6 & 63] : '=';
    *at++ = i + 2 < length ? BASE64[group & 63] : '=';
  }
  return text;
}

static void make_audio(void) {
  static int16_t samples[24000];
  unsigned seed = 1;
  int leg_khz = protocol == LIVECALL ? 16 : 8;
  for (int variant = 0; variant < VARIANTS; variant++) {
    for (int i = 0; i < 24000; i++) samples[i] = (int16_t)((int)((seed = seed * 1103515245 + 12345) >> 16 & 63) - 32);
    deltas[variant] = encode(samples, 24 * delta_ms);
    char *text = leg_frames[variant] = zeroed(1, 4096), *audio = encode(samples, leg_khz * frame_ms);
    if (protocol == UCID) {
      int at = sprintf(text, UCID_FRAME "%*s\",\"data\":{\"samples\":[", UCID_CHARS, "");
      for (int i = 0; i < 8 * frame_ms; i++) at += sprintf(text + at, i ? ",%d" : "%d", samples[i]);
      sprintf(text + at, "],\"bitsPerSample\":16,\"sampleRate\":8000,\"channelCount\":1,\"numberOfFrames\":%d,\"type\":\"data\"}}", 8 * frame_ms);
    } else if (protocol == LIVECALL) {
      sprintf(text, "{\"play_audio\":{\"sample_rate\":16000,\"sample_width\":2,\"num_channels\":1,\"duration\":0.02,"
              "\"audio_content\":\"%s\"}}", audio);
    } else {
      sprintf(text, "{\"timestamp\":1763700000000,\"event\":\"media\",\"media\":{\"payload\":\"%s\"},\"data\":{\"call_id\":"
              "\"" PSR_CALL_ID "\",\"channel\":\"mono_a\"}}", audio);
    }
    free(audio);
  }
}

static void open_all(void) {
  uint64_t end = now_ns() + ALL_OPEN_TIMEOUT_NS;
  for (int i = 0; i < call_count; i++) {
    uint64_t call_end = now_ns() + OPEN_TIMEOUT_NS;
    open_call(&calls[i], paths[i]);
    run_until(call_end < end ? call_end : end, i + 1);
    if (opened != i + 1) fail("a call was not opened in time");
  }
}

static void prepare(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)agent_port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int on = 1;
  char line[1800];
  calls = zeroed(MAX_CALLS, sizeof *calls);
  paths = zeroed(MAX_CALLS, sizeof *paths);
  while (call_count < MAX_CALLS && fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    paths[call_count] = strdup(line);
    struct call *call = &calls[call_count++];
    snprintf(call->ucid, sizeof call->ucid, "%07ld-%04d", (long)getpid() % 10000000, call_count);
    call->up.sent_ns = zeroed(MAX_FRAMES, sizeof(uint64_t));
    call->down.sent_ns = zeroed(SPEECH_MS / 10 + 1, sizeof(uint64_t));
    call->up.piece_bytes = 48 * frame_ms;
    call->down.piece_bytes = 16 * delta_ms;
  }
  epoll = epoll_create1(0);
  listener.fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener.fd, (struct sockaddr *)&address, sizeof address) || listen(listener.fd, 1024)) fail("cannot listen");
  watch(&listener);
}

static void print_histogram(const char *name, const struct histogram *histogram) {
  printf("\"%s\":{\"count\":%" PRIu64 ",\"p50\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"max\":%" PRIu64 "},", name,
         histogram->count, percentile(histogram, 0.5), percentile(histogram, 0.99), histogram->max_us);
}

int main(int argc, char **argv) {
  if (argc != 9) fail("usage: load PORT AGENT_PORT PROTOCOL DELTA_MS WARM_UP_S MEASURE_S KNOCKS_PER_S KNOCKERS");
  port = atoi(argv[1]);
  agent_port = atoi(argv[2]);
  for (protocol = PSR; strcmp(argv[3], protocols[protocol]);)
    if (++protocol > ECHO) fail("no such protocol");
  delta_ms = atoi(argv[4]);
  knocks_per_s = atof(argv[7]);
  addresses = atoi(argv[8]);
  frame_ms = protocol == UCID ? 10 : 20;
  make_audio();
  prepare();
  open_all();
  run_until(now_ns() + (uint64_t)(atof(argv[5]) * 1e9), MAX_CALLS + 1);
  next_knock_ns = now_ns();
  is_measuring = 1;
  puts("start");
  fflush(stdout);
  run_until(now_ns() + (uint64_t)(atof(argv[6]) * 1e9), MAX_CALLS + 1);
  puts("stop");
  is_measuring = 0;
  printf("{");
  print_histogram("up", &up_latency);
  print_histogram("down", &down_latency);
  print_histogram("lateness", &lateness);
  printf("\"calls\":%d,\"stalls\":%d,\"lost\":%d,\"answered\":%d,\"blocked\":%d}\n", opened, stalls, lost, answered,
         blocked);
  fflush(stdout);
  part();
  return 0;
}
