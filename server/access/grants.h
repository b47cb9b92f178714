// The list of who may do what: from the configuration, swapped whole when it is reloaded.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/access/caller.h"

namespace assay::access {

// "line" -> kLine and so on; nothing for another word.
std::optional<Role> RoleOf(std::string_view name);

struct Grant {
  std::string identity;  // a URI SAN, exact, or with one `*` as its last character
  std::string line;      // name of the line; empty: the caller's own URI
  std::set<Role> roles;
  std::vector<std::string> factories;  // "*" for all
  std::vector<std::string> lots;       // "*" for all of these factories
};

// Immutable.
class GrantList {
 public:
  GrantList() = default;
  explicit GrantList(std::vector<Grant> grants) : grants_(std::move(grants)) {}
  // The exact grant, or the one with the longest matching prefix. CALLER_UNKNOWN where none
  // matches.
  absl::StatusOr<Caller> Find(std::string_view uri) const;
  const std::vector<Grant>& grants() const { return grants_; }

 private:
  std::vector<Grant> grants_;
};

// Thread-safe. A call keeps the Caller it was given; a call that begins after Replace sees the new
// list.
class Grants {
 public:
  explicit Grants(GrantList list = {})
      : list_(std::make_shared<const GrantList>(std::move(list))) {}
  void Replace(GrantList list) { list_.store(std::make_shared<const GrantList>(std::move(list))); }
  absl::StatusOr<Caller> FindCaller(std::string_view uri) const { return list_.load()->Find(uri); }
  // Changes whenever the list is replaced: long calls compare it to see whether to look again.
  std::shared_ptr<const GrantList> Current() const { return list_.load(); }

 private:
  std::atomic<std::shared_ptr<const GrantList>> list_;
};

}  // namespace assay::access
