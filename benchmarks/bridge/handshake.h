/* What a server's side of a WebSocket handshake needs, and the alphabet of base64. */
#include <stdint.h>
#include <string.h>

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* SHA-1 of the key and the GUID (RFC 3174, RFC 6455 section 4.2.2). */
static void accept_value(const char *key, size_t key_length, char *accept) {
  uint8_t block[128] = {0}, digest[21] = {0};
  uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0}, w[80];
  size_t length = key_length + 36;
  memcpy(block, key, key_length);
  memcpy(block + key_length, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
  block[length] = 0x80;
  size_t total = length + 9 <= 64 ? 64 : 128;
  block[total - 2] = (uint8_t)(length * 8 >> 8);
  block[total - 1] = (uint8_t)(length * 8);
#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
  for (size_t at = 0; at < total; at += 64) {
    for (int i = 0; i < 16; i++)
      w[i] = (uint32_t)block[at + 4 * i] << 24 | (uint32_t)block[at + 4 * i + 1] << 16 |
             (uint32_t)block[at + 4 * i + 2] << 8 | block[at + 4 * i + 3];
    for (int i = 16; i < 80; i++) w[i] = ROTATE(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 80; i++) {
      uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
      uint32_t k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
      uint32_t next = ROTATE(a, 5) + f + e + k + w[i];
      e = d; d = c; c = ROTATE(b, 30); b = a; a = next;
    }
    h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e;
  }
  for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
  for (int i = 0; i < 7; i++) {
    uint32_t group = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
    for (int j = 0; j < 4; j++) accept[4 * i + j] = BASE64[group >> (18 - 6 * j) & 63];
  }
  accept[27] = '=';
  accept[28] = 0;
}
