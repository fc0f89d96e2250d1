/* Which HTTP parser: llhttp, or its forerunner http-parser. Nobody else includes their headers.
 * Both call the same callbacks; a request's last byte stops them, so that what follows is the
 * caller's. */
#ifndef GW_HTTP_SHIM_H
#define GW_HTTP_SHIM_H

#include <stddef.h>

typedef enum gw_parsed {
  GW_PARSED_MORE,    /* all was taken, the request goes on */
  GW_PARSED_END,     /* the request's end; what was not taken is behind it */
  GW_PARSED_BAD,     /* no HTTP, or a callback refused */
  GW_PARSED_VERSION, /* a version of HTTP that the parser does not know */
  GW_PARSED_LONG     /* a header longer than the parser takes; llhttp takes any */
} gw_parsed;

#ifdef GW_HAS_LLHTTP
#include <llhttp.h>

typedef llhttp_t gw_parser;
typedef llhttp_settings_t gw_parser_settings;
enum { GW_PARSER_REFUSE = HPE_USER, GW_PARSER_PAUSE = HPE_PAUSED };

static inline void gw_parser_init(gw_parser *p, const gw_parser_settings *settings, void *data) {
  llhttp_init(p, HTTP_REQUEST, settings);
  p->data = data;
}

/* What on_message_complete returns. */
static inline int gw_parser_stop(gw_parser *p) {
  return p->upgrade ? 0 : HPE_PAUSED; /* where the protocol may change, it pauses by itself */
}

static inline gw_parsed gw_parser_feed(gw_parser *p, const gw_parser_settings *settings,
                                       const char *data, size_t len, size_t *used) {
  (void)settings;
  llhttp_errno_t error = llhttp_execute(p, data, len);
  *used = error == HPE_OK ? len : (size_t)(llhttp_get_error_pos(p) - data);
  if (error == HPE_OK) return GW_PARSED_MORE;
  if (error == HPE_PAUSED || error == HPE_PAUSED_UPGRADE) {
    error == HPE_PAUSED ? llhttp_resume(p) : llhttp_resume_after_upgrade(p);
    return GW_PARSED_END;
  }
  return error == HPE_INVALID_VERSION && p->http_major > 1 ? GW_PARSED_VERSION : GW_PARSED_BAD;
}

static inline int gw_parser_is_keeping_alive(const gw_parser *p) {
  return llhttp_should_keep_alive(p);
}
static inline unsigned gw_parser_method(const gw_parser *p) {
  return p->method;
}
static inline const char *gw_parser_method_name(unsigned method) {
  return llhttp_method_name((llhttp_method_t)method);
}
#define GW_PARSER_HAS_LENGTH(p) (((p)->flags & F_CONTENT_LENGTH) != 0)

#else
#include <http_parser.h>

typedef http_parser gw_parser;
typedef http_parser_settings gw_parser_settings;
enum { GW_PARSER_REFUSE = -1 }; /* 1 would mean of on_headers_complete: there is no body */

static inline void gw_parser_init(gw_parser *p, const gw_parser_settings *settings, void *data) {
  (void)settings;
  http_parser_init(p, HTTP_REQUEST);
  p->data = data;
}

static inline int gw_parser_stop(gw_parser *p) {
  http_parser_pause(p, 1);
  return 0;
}

static inline gw_parsed gw_parser_feed(gw_parser *p, const gw_parser_settings *settings,
                                       const char *data, size_t len, size_t *used) {
  *used = http_parser_execute(p, settings, data, len);
  switch (HTTP_PARSER_ERRNO(p)) {
  case HPE_OK: return GW_PARSED_MORE;
  case HPE_PAUSED: http_parser_pause(p, 0); return GW_PARSED_END;
  case HPE_HEADER_OVERFLOW: return GW_PARSED_LONG;
  default: return GW_PARSED_BAD;
  }
}

static inline int gw_parser_is_keeping_alive(const gw_parser *p) {
  return http_should_keep_alive(p);
}
static inline unsigned gw_parser_method(const gw_parser *p) {
  return p->method;
}
static inline const char *gw_parser_method_name(unsigned method) {
  return http_method_str((enum http_method)method);
}
#define GW_PARSER_HAS_LENGTH(p) (((p)->flags & F_CONTENTLENGTH) != 0)
#endif

static inline int gw_parser_has_body(const gw_parser *p) {
  return (p->flags & F_CHUNKED) || (GW_PARSER_HAS_LENGTH(p) && p->content_length > 0);
}

#endif
