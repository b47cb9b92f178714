// The SQL of db/migrations, built into the program so that schema and program cannot part.
#pragma once

#include <span>
#include <string_view>

namespace assay::pg {

struct EmbeddedMigration {
  std::string_view name;  // "0001_identities"
  std::string_view sql;
};

// In the order of their numbers.
std::span<const EmbeddedMigration> EmbeddedMigrations();

}  // namespace assay::pg
