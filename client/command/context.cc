#include "client/command/context.h"

#include "client/show.h"

namespace assay::client {

void Context::Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fflush(out_);
}

void Context::Remark(const std::string& text) {
  if (remarks() == nullptr) return;
  std::fprintf(err_, "%s\n", text.c_str());
}

void Context::PrintMessage(const google::protobuf::Message& message) {
  Print(json() ? MessageJson(message) : MessageText(message));
}

absl::StatusOr<Profile> Context::LoadProfile() const { return FindProfile(options_.profile); }

absl::StatusOr<std::shared_ptr<Connection>> Context::Connect(const std::string& role,
                                                             CallPatience patience) const {
  const auto profile = LoadProfile();
  if (!profile.ok()) return profile.status();
  if (options_.patience_seconds) patience.in_all = std::chrono::seconds(*options_.patience_seconds);
  return Connection::Open(*profile, options_.role.empty() ? role : options_.role, patience);
}

}  // namespace assay::client
