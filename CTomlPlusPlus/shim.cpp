#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <cstdio>
#include <sstream>
#include <string>

#include "CTomlPlusPlus.h"

namespace {

struct Visitor {
  void (*visit)(void *, const guise_toml_node *);
  void *receiver;

  void node(int depth, const toml::key *key, const toml::node &node) const {
    const auto where = key != nullptr ? key->source().begin : node.source().begin;
    const std::string text = written(node);
    guise_toml_node value = {};
    value.depth = depth;
    if (key != nullptr) {
      value.key = key->data();
      value.key_length = key->length();
    }
    value.kind = kind(node);
    value.text = text.data();
    value.text_length = text.size();
    value.line = where.line;
    value.column = where.column;
    visit(receiver, &value);
    if (const auto *table = node.as_table()) entries(depth + 1, *table);
    if (const auto *array = node.as_array()) {
      for (const toml::node &element : *array) this->node(depth + 1, nullptr, element);
    }
  }

  void entries(int depth, const toml::table &table) const {
    for (const auto &[key, value] : table) node(depth, &key, value);
  }

  static guise_toml_kind kind(const toml::node &node) {
    switch (node.type()) {
      case toml::node_type::table: return GUISE_TOML_TABLE;
      case toml::node_type::array: return GUISE_TOML_ARRAY;
      case toml::node_type::string: return GUISE_TOML_STRING;
      case toml::node_type::integer: return GUISE_TOML_INTEGER;
      case toml::node_type::boolean: return GUISE_TOML_BOOLEAN;
      default: return GUISE_TOML_OTHER;
    }
  }

  static std::string written(const toml::node &node) {
    if (node.is_table() || node.is_array()) return {};
    if (const auto *text = node.as_string()) return text->get();
    if (const auto *number = node.as_integer()) return std::to_string(number->get());
    std::ostringstream stream;
    node.visit([&stream](const auto &value) { stream << value; });
    return stream.str();
  }
};

}  // namespace

bool guise_toml_read(const char *text, size_t length, void (*visit)(void *, const guise_toml_node *),
                     void *receiver, guise_toml_error *error) {
  const toml::parse_result result = toml::parse(std::string_view(text, length));
  if (!result) {
    const auto description = result.error().description();
    std::snprintf(error->message, sizeof error->message, "%.*s", static_cast<int>(description.size()),
                  description.data());
    error->line = result.error().source().begin.line;
    error->column = result.error().source().begin.column;
    return false;
  }
  Visitor{visit, receiver}.entries(0, result.table());
  return true;
}
