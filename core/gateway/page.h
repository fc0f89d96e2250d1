/* The files that the gateway serves from memory: core/gateway/page, made C by the build. */
#ifndef GW_PAGE_H
#define GW_PAGE_H

#include <stddef.h>

typedef struct gw_page_file {
  const char *name; /* such as "moonpool.js"; NULL behind the last */
  const char *etag; /* with its quotation marks */
  size_t len;
  const char *data;
} gw_page_file;

extern const gw_page_file gw_page_files[];

#endif
