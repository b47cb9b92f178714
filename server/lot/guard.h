// What stands between a guarded act and its effect.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "db/store.h"
#include "google/protobuf/message.h"
#include "server/access/caller.h"

namespace assay::lot {

// What the act would do, the same text as long as it would do the same.
struct GuardedEffect {
  std::string text;     // a sentence for people
  std::string factory;  // of a lot; empty for a PAI
};

// Asked after all checks and before the effect; what it refuses does not happen. It may complete
// the act: an approved one bears its approval. Empty: the act happens at once. A call that is given
// a guard of its own asks it or refuses, and has no effect without it.
using Guard = std::function<absl::Status(const access::Caller& caller,
                                         const google::protobuf::Message& request,
                                         const GuardedEffect& effect, db::Act& act)>;

}  // namespace assay::lot
