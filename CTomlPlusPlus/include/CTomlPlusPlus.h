/* toml++ (https://marzer.github.io/tomlplusplus/, Debian: libtomlplusplus-dev) for Swift: a document, node by node. */
#ifndef GUISE_CTOMLPLUSPLUS_H
#define GUISE_CTOMLPLUSPLUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum guise_toml_kind {
  GUISE_TOML_TABLE,
  GUISE_TOML_ARRAY,
  GUISE_TOML_STRING,
  GUISE_TOML_INTEGER,
  GUISE_TOML_BOOLEAN,
  /* Numbers with a fraction, dates and times. */
  GUISE_TOML_OTHER,
};

/* A node below the document. What it points to lives until the visitor returns. */
struct guise_toml_node {
  /* 0 for what lies in the document itself, then one more for each table or array around it. */
  int depth;
  /* NULL for an element of an array. */
  const char *key;
  size_t key_length;
  enum guise_toml_kind kind;
  /* A string's content; a number, boolean, date or time as it would be written. Empty for tables and arrays. */
  const char *text;
  size_t text_length;
  /* Where the key stands, or an element; from 1. */
  uint32_t line;
  uint32_t column;
};

struct guise_toml_error {
  char message[256];
  uint32_t line;
  uint32_t column;
};

/* Visits each node, tables and arrays before what they hold, keys in alphabetical order.
 * False when the text is no TOML: then nothing was visited. */
bool guise_toml_read(const char *text, size_t length,
                     void (*visit)(void *receiver, const struct guise_toml_node *node), void *receiver,
                     struct guise_toml_error *error);

#ifdef __cplusplus
}
#endif

#endif
