#include <nlohmann/json.hpp>

#include "chat/argument_types.h"

namespace glint {
namespace {

// Deeper is a schema that refers to itself.
constexpr int kMaxDepth = 16;

const Json* find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto member = object.find(key);
  return member == object.end() ? nullptr : &*member;
}

void add_named_type(ArgumentTypes& types, const Json& name) {
  if (name == "string") types.string = true;
  if (name == "integer") types.integer = true;
  if (name == "number") types.number = true;
  if (name == "boolean") types.boolean = true;
  if (name == "null") types.null = true;
  if (name == "object") types.object = true;
  if (name == "array") types.array = true;
}

void add_type_of(ArgumentTypes& types, const Json& value) {
  if (value.is_string()) types.string = true;
  if (value.is_number_integer() || value.is_binary()) types.integer = true;
  if (value.is_number_float()) types.number = true;
  if (value.is_boolean()) types.boolean = true;
  if (value.is_null()) types.null = true;
  if (value.is_object()) types.object = true;
  if (value.is_array()) types.array = true;
}

ArgumentTypes either(const ArgumentTypes& a, const ArgumentTypes& b) {
  return {.string = a.string || b.string,
          .integer = a.integer || b.integer,
          .number = a.number || b.number,
          .boolean = a.boolean || b.boolean,
          .null = a.null || b.null,
          .object = a.object || b.object,
          .array = a.array || b.array};
}

// What both allow; an unknown one allows everything, and an integer is a number too.
ArgumentTypes both(const ArgumentTypes& a, const ArgumentTypes& b) {
  if (a.unknown()) return b;
  if (b.unknown()) return a;
  return {.string = a.string && b.string,
          .integer = (a.integer && (b.integer || b.number)) || (a.number && b.integer),
          .number = a.number && b.number,
          .boolean = a.boolean && b.boolean,
          .null = a.null && b.null,
          .object = a.object && b.object,
          .array = a.array && b.array};
}

// "#/$defs/Unit" in the tool's parameters. Other references are not followed.
const Json* resolve(const Json& root, const Json& ref) {
  if (!ref.is_string()) return nullptr;
  const std::string& text = ref.get_ref<const std::string&>();
  if (text == "#") return &root;
  if (!text.starts_with("#/")) return nullptr;
  const Json* at = &root;
  for (size_t begin = 2; at && begin <= text.size();) {
    const size_t end = std::min(text.find('/', begin), text.size());
    at = find(*at, text.substr(begin, end - begin).c_str());
    begin = end + 1;
  }
  return at;
}

ArgumentTypes schema_types(const Json& root, const Json& schema, int depth);

// The union over anyOf's members; unknown as soon as one member is.
ArgumentTypes any_of(const Json& root, const Json& members, int depth) {
  ArgumentTypes types;
  for (const Json& member : members) {
    const ArgumentTypes of_member = schema_types(root, member, depth);
    if (of_member.unknown()) return {};
    types = either(types, of_member);
  }
  return types;
}

ArgumentTypes own_types(const Json& schema) {
  ArgumentTypes types;
  if (const Json* type = find(schema, "type")) {
    if (!type->is_array()) add_named_type(types, *type);
    if (type->is_array()) {
      for (const Json& name : *type) add_named_type(types, name);
    }
  } else if (const Json* values = find(schema, "enum"); values && values->is_array()) {
    for (const Json& value : *values) add_type_of(types, value);
  } else if (const Json* value = find(schema, "const")) {
    add_type_of(types, *value);
  }
  return types;
}

ArgumentTypes schema_types(const Json& root, const Json& schema, int depth) {
  if (depth > kMaxDepth || !schema.is_object()) return {};
  ArgumentTypes types = own_types(schema);
  if (const Json* ref = find(schema, "$ref")) {
    if (const Json* target = resolve(root, *ref)) {
      types = both(types, schema_types(root, *target, depth + 1));
    }
  }
  for (const char* key : {"anyOf", "oneOf"}) {
    const Json* members = find(schema, key);
    if (members && members->is_array()) types = both(types, any_of(root, *members, depth + 1));
  }
  if (const Json* members = find(schema, "allOf"); members && members->is_array()) {
    for (const Json& member : *members) types = both(types, schema_types(root, member, depth + 1));
  }
  if (types.unknown()) {
    types.object = find(schema, "properties") != nullptr;
    types.array = find(schema, "items") != nullptr;
  }
  return types;
}

// The schema of a property, also where the parameters are put together from parts.
const Json* find_property(const Json& root, const Json& schema, const std::string& key, int depth) {
  if (depth > kMaxDepth || !schema.is_object()) return nullptr;
  if (const Json* properties = find(schema, "properties")) {
    if (const Json* property = find(*properties, key.c_str())) return property;
  }
  if (const Json* ref = find(schema, "$ref")) {
    const Json* target = resolve(root, *ref);
    const Json* property = target ? find_property(root, *target, key, depth + 1) : nullptr;
    if (property) return property;
  }
  for (const char* parts : {"allOf", "anyOf", "oneOf"}) {
    const Json* members = find(schema, parts);
    if (!members || !members->is_array()) continue;
    for (const Json& member : *members) {
      if (const Json* property = find_property(root, member, key, depth + 1)) return property;
    }
  }
  return find(schema, "additionalProperties");
}

const Json& function_of(const Tool& tool) {
  const Json* function = find(tool, "function");
  return function && function->is_object() ? *function : tool;
}

}  // namespace

ArgumentTypes argument_types(const Tool& tool, const std::string& parameter) {
  const Json* parameters = find(function_of(tool), "parameters");
  if (!parameters) return {};
  const Json* property = find_property(*parameters, *parameters, parameter, 0);
  return property ? schema_types(*parameters, *property, 0) : ArgumentTypes{};
}

const Tool* find_tool(const std::vector<Tool>& tools, std::string_view name) {
  for (const Tool& tool : tools) {
    const Json* declared = find(function_of(tool), "name");
    if (declared && *declared == name) return &tool;
  }
  return nullptr;
}

}  // namespace glint
