#include "db/pg/dsn_check.h"

#include <libpq-fe.h>

#include <algorithm>
#include <memory>

#include "base/refusal.h"

namespace assay::pg {

absl::Status CheckDsn(const std::string& dsn) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
      PQconninfoParse(dsn.c_str(), &error), &PQconninfoFree);
  const std::unique_ptr<char, void (*)(void*)> owned(error, &PQfreemem);
  if (options != nullptr) return absl::OkStatus();
  // Anything else libpq says may quote a misplaced password.
  std::string said = error == nullptr ? "" : error;
  said.resize(std::min(said.find('\n'), said.size()));
  if (said.starts_with("invalid connection option \"") && !said.ends_with("\"\"")) {
    return Refuse(Reason::FIELD_MALFORMED, said);
  }
  return Refuse(Reason::FIELD_MALFORMED,
                "must be key=value pairs as libpq reads them, or a postgresql:// URI");
}

}  // namespace assay::pg
