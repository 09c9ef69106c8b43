/* The physical limit: a bridge that does nothing but bridge.
 *
 * One thread, one epoll, no library beyond libc. The vendor's WebSocket (PSR's messages) in, its audio from 8 to 24 kHz to
 * the AI service's WebSocket, the service's audio back as PSR's chunks, each message as it comes. There is no token, no
 * record, no voice detection, no pacing, no transcript, and whoever sends nonsense is hung up on: what a bridge with all
 * of these costs beyond this is their price, and the price of how it is built.
 *
 *   limit AGENT_PORT
 *
 * Prints `ready URL`; runs until it is ended.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../handshake.h"

#define BUFFER_BYTES 65536    /* the largest message, and some */
#define HEADER_BYTES 8        /* of a WebSocket frame below 64 KiB with its mask */
#define UP 3                  /* 8 to 24 kHz */
#define PHASE_TAPS 32
#define TAPS (UP * PHASE_TAPS)
#define TAP_BITS 14
#define MAX_SAMPLES (BUFFER_BYTES / 4)
#define APPEND "{\"type\":\"input_audio_buffer.append\",\"audio\":\""
#define CHUNK "{\"event\":\"chunk\",\"media\":{\"payload\":\""
#define CHUNK_END "\",\"is_sync\":true,\"format\":\"pcm16\"}}"
#define SESSION "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"instructions\":\"Talk.\",\"audio\":{" \
                "\"input\":{\"format\":{\"type\":\"audio/pcm\",\"rate\":24000}},\"output\":{\"format\":{\"type\":" \
                "\"audio/pcm\",\"rate\":24000}}}}}"

enum opcode { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };

struct side {
  struct call *call;
  int fd, is_agent, is_upgraded;
  size_t length;
  uint8_t *buffer;
  int16_t history[TAPS - 1];  /* of what this side sends us; the vendor's takes a third of it */
};

struct call {
  struct side vendor, agent;
  int is_over;
  struct call *next_over;
};

static int epoll, agent_port;
static struct call *over;
static int16_t down_taps[TAPS], up_taps[UP][PHASE_TAPS];
static int16_t inputs[TAPS + MAX_SAMPLES], outputs[UP * MAX_SAMPLES];
static uint8_t out[HEADER_BYTES + BUFFER_BYTES], *const payload_out = out + HEADER_BYTES;
static uint8_t sextets[256];
static char pairs[4096][2];

static void fail(const char *what) {
  fprintf(stderr, "limit: %s (errno %d)\n", what, errno);
  exit(1);
}

static void hang_up(struct call *call) {
  if (call->is_over) return;
  call->is_over = 1;
  close(call->vendor.fd);
  close(call->agent.fd);
  call->next_over = over;
  over = call;
}

static void forget_ended(void) {
  /* Not earlier: epoll may have named a call's other side too. */
  while (over) {
    struct call *call = over;
    over = call->next_over;
    free(call->vendor.buffer);
    free(call->agent.buffer);
    free(call);
  }
}

/* Audio. */

static void make_tables(void) {
  double sinc[TAPS], sum = 0, pi = acos(-1);
  for (int i = 0; i < TAPS; i++) {
    double x = i - (TAPS - 1) / 2.0, window = 0.42 - 0.5 * cos(2 * pi * (i + 0.5) / TAPS) + 0.08 * cos(4 * pi * (i + 0.5) / TAPS);
    sum += sinc[i] = sin(pi * x / UP) / (pi * x) * window;
  }
  for (int i = 0; i < TAPS; i++) {
    down_taps[i] = (int16_t)lround(sinc[i] / sum * (1 << TAP_BITS));
    up_taps[i % UP][PHASE_TAPS - 1 - i / UP] = (int16_t)lround(UP * sinc[i] / sum * (1 << TAP_BITS));
  }
  memset(sextets, 255, sizeof sextets);
  for (int i = 0; i < 64; i++) sextets[(uint8_t)BASE64[i]] = (uint8_t)i;
  for (int i = 0; i < 4096; i++) {
    pairs[i][0] = BASE64[i >> 6];
    pairs[i][1] = BASE64[i & 63];
  }
}

static int16_t dot(const int16_t *samples, const int16_t *taps, int count) {
  int32_t sum = 1 << (TAP_BITS - 1);
  for (int i = 0; i < count; i++) sum += samples[i] * taps[i];
  sum >>= TAP_BITS;
  return (int16_t)(sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum);
}

/* `inputs` holds the history and `count` samples; the samples that come of them are in `outputs`. */
static int resample(int count, int is_up) {
  int made = 0;
  if (is_up) {
    for (int i = 0; i < count; i++)
      for (int phase = 0; phase < UP; phase++) outputs[made++] = dot(inputs + i, up_taps[phase], PHASE_TAPS);
  } else {
    for (int i = 0; i + UP <= count; i += UP) outputs[made++] = dot(inputs + i, down_taps, TAPS);
  }
  return made;
}

static long decode(const uint8_t *text, size_t chars, uint8_t *bytes) {
  uint8_t *at = bytes, bad = 0;
  if (chars % 4 || chars / 4 * 3 > sizeof(int16_t) * MAX_SAMPLES) return -1;
  size_t padding = chars ? (size_t)(text[chars - 1] == '=') + (text[chars - 2] == '=') : 0;
  for (size_t i = 0; i < chars; i += 4) {
    uint8_t a = sextets[text[i]], b = sextets[text[i + 1]], c = sextets[text[i + 2]], d = sextets[text[i + 3]];
    if (i + 4 == chars && padding) {
      d = 0;
      if (padding == 2) c = 0;
    }
    bad |= a | b | c | d;
    *at++ = (uint8_t)(a << 2 | b >> 4);
    *at++ = (uint8_t)(b << 4 | c >> 2);
    *at++ = (uint8_t)(c << 6 | d);
  }
  return bad & 0xc0 ? -1 : at - bytes - (long)padding;
}

static size_t encode(const uint8_t *bytes, size_t length, uint8_t *text) {
  uint8_t *at = text;
  for (size_t i = 0; i < length; i += 3) {
    uint32_t group = (uint32_t)bytes[i] << 16 | (i + 1 < length ? (uint32_t)bytes[i + 1] << 8 : 0) |
                     (i + 2 < length ? bytes[i + 2] : 0);
    memcpy(at, pairs[group >> 12], 2);
    memcpy(at + 2, pairs[group & 4095], 2);
    at += 4;
  }
  if (length % 3) at[-1] = '=';
  if (length % 3 == 1) at[-2] = '=';
  return (size_t)(at - text);
}

/* Messages. */

static void put(struct side *side, const void *bytes, size_t length) {
  /* Whoever lets more than a socket's buffer pile up has lost the call. */
  if (!side->call->is_over && send(side->fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) hang_up(side->call);
}

/* Sends what stands in `payload_out`, which is spoilt by it. */
static void send_frame(struct side *side, enum opcode opcode, size_t length) {
  static const uint8_t mask[8] = {0x5a, 0xc3, 0x17, 0x88, 0x5a, 0xc3, 0x17, 0x88};
  size_t header = (length < 126 ? 2 : 4) + (side->is_agent ? 4 : 0);
  uint8_t *frame = payload_out - header;
  frame[0] = (uint8_t)(0x80 | opcode);
  frame[1] = (uint8_t)(length < 126 ? length : 126) | (side->is_agent ? 0x80 : 0);
  if (length >= 126) {
    frame[2] = (uint8_t)(length >> 8);
    frame[3] = (uint8_t)length;
  }
  if (side->is_agent) {
    memcpy(payload_out - 4, mask, 4);
    for (size_t i = 0; i < length; i++) payload_out[i] ^= mask[i & 7];
  }
  put(side, frame, header + length);
}

/* The string that follows `key`, NULL where there is none. */
static const uint8_t *string_after(const char *key, const uint8_t *text, size_t length, size_t *chars) {
  const uint8_t *start = memmem(text, length, key, strlen(key));
  if (!start) return NULL;
  start += strlen(key);
  const uint8_t *end = memchr(start, '"', (size_t)(text + length - start));
  if (!end) return NULL;
  *chars = (size_t)(end - start);
  return start;
}

/* Base64 of one side becomes a message of the other's. */
static void pass_on(struct side *from, const uint8_t *text, size_t chars) {
  struct side *to = from->is_agent ? &from->call->vendor : &from->call->agent;
  const char *head = from->is_agent ? CHUNK : APPEND, *tail = from->is_agent ? CHUNK_END : "\"}";
  int kept = (from->is_agent ? TAPS : PHASE_TAPS) - 1;
  long bytes = decode(text, chars, (uint8_t *)(inputs + kept));
  if (bytes < 0 || !to->is_upgraded) return;
  int count = (int)(bytes / (long)sizeof(int16_t));
  memcpy(inputs, from->history, (size_t)kept * sizeof(int16_t));
  int made = resample(count, !from->is_agent);
  memcpy(from->history, inputs + count, (size_t)kept * sizeof(int16_t));
  size_t length = strlen(head);
  if (length + (size_t)made * 8 / 3 + 64 > BUFFER_BYTES) return;
  memcpy(payload_out, head, length);
  length += encode((const uint8_t *)outputs, (size_t)made * sizeof(int16_t), payload_out + length);
  memcpy(payload_out + length, tail, strlen(tail));
  send_frame(to, TEXT, length + strlen(tail));
}

static void message(struct side *side, const uint8_t *text, size_t length) {
  size_t chars;
  const uint8_t *audio;
  if (side->is_agent) {
    if (memmem(text, length, "\"response.output_audio.delta\"", 28) && (audio = string_after("\"delta\":\"", text, length, &chars)))
      pass_on(side, audio, chars);
  } else if ((audio = string_after("\"payload\":\"", text, length, &chars))) {
    pass_on(side, audio, chars);
  } else if (memmem(text, length, "\"event\":\"closed\"", 16)) {
    hang_up(side->call);
  }
}

static void frame_arrived(struct side *side, enum opcode opcode, const uint8_t *text, size_t length) {
  if (opcode == TEXT) {
    message(side, text, length);
  } else if (opcode == PING) {
    memcpy(payload_out, text, length);
    send_frame(side, PONG, length);
  } else if (opcode == CLOSE) {
    hang_up(side->call);
  }
}

/* Connections. */

static void watch(struct side *side, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = side};
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  side->fd = fd;
  if (!(side->buffer = malloc(BUFFER_BYTES)) || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("a connection");
}

static void call_agent(struct call *call) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)agent_port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  static const char request[] = "GET /v1/realtime HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) fail("cannot connect to the agent");
  watch(&call->agent, fd);
  put(&call->agent, request, sizeof request - 1);
}

static void answer_call(int listener) {
  int fd = accept(listener, NULL, NULL);
  struct call *call = calloc(1, sizeof *call);
  if (fd < 0 || !call) fail("accept");
  call->vendor.call = call->agent.call = call;
  call->agent.is_agent = 1;
  watch(&call->vendor, fd);
  call_agent(call);
}

/* How much of the buffer the handshake took, 0 while it is not whole. */
static size_t shake_hands(struct side *side) {
  char *text = (char *)side->buffer, accept[29], answer[200];
  char *end = memmem(text, side->length, "\r\n\r\n", 4);
  if (!end) return 0;
  *end = 0;
  if (side->is_agent) {
    if (memcmp(text + 9, "101", 3)) fail("the agent refused a call");
    memcpy(payload_out, SESSION, sizeof SESSION - 1);
    send_frame(side, TEXT, sizeof SESSION - 1);
  } else {
    char *key = strcasestr(text, "Sec-WebSocket-Key:");
    if (!key) fail("no key in the vendor's handshake");
    for (key += 18; *key == ' ';) key++;
    accept_value(key, strcspn(key, "\r "), accept);
    int length = snprintf(answer, sizeof answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    put(side, answer, (size_t)length);
  }
  side->is_upgraded = 1;
  return (size_t)(end - text) + 4;
}

static size_t next_frame(struct side *side, size_t at) {
  uint8_t *frame = side->buffer + at;
  size_t have = side->length - at, header = 2;
  if (have < 2) return 0;
  size_t length = frame[1] & 127;
  if (length == 127) {
    hang_up(side->call);
    return 0;
  }
  if (length == 126) {
    if (have < 4) return 0;
    length = (size_t)frame[2] << 8 | frame[3];
    header = 4;
  }
  uint8_t *mask = frame[1] & 128 ? frame + header : NULL;
  if (mask) header += 4;
  if (have < header + length) return 0;
  if (mask) {
    uint8_t twice[8];
    memcpy(twice, mask, 4);
    memcpy(twice + 4, mask, 4);
    for (size_t i = 0; i < length; i++) frame[header + i] ^= twice[i & 7];
  }
  frame_arrived(side, frame[0] & 15, frame + header, length);
  return header + length;
}

static void readable(struct side *side) {
  ssize_t got = recv(side->fd, side->buffer + side->length, BUFFER_BYTES - side->length, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    hang_up(side->call);
    return;
  }
  side->length += (size_t)got;
  size_t at = 0, taken;
  if (!side->is_upgraded) at = shake_hands(side);
  while (side->is_upgraded && !side->call->is_over && (taken = next_frame(side, at))) at += taken;
  side->length -= at;
  memmove(side->buffer, side->buffer + at, side->length);
}

int main(int argc, char **argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof address;
  struct epoll_event events[256], listening = {.events = EPOLLIN};
  if (argc != 2) fail("usage: limit AGENT_PORT");
  agent_port = atoi(argv[1]);
  make_tables();
  epoll = epoll_create1(0);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) fail("cannot listen");
  getsockname(listener, (struct sockaddr *)&address, &length);
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &listening);
  printf("ready http://127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int count = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < count; i++) {
      struct side *side = events[i].data.ptr;
      if (!side)
        answer_call(listener);
      else if (!side->call->is_over)
        readable(side);
    }
    forget_ended();
  }
}
