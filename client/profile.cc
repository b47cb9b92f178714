#include "client/profile.h"

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/refusal.h"
#include "client/files.h"
#include "yaml-cpp/yaml.h"

namespace assay::client {
namespace {

absl::Status Wrong(const std::string& file, const std::string& key, absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, absl::StrCat(file, ": ", key), "", rule);
}

absl::Status ReadText(const YAML::Node& node, const std::string& file, const std::string& key,
                      std::string& out) {
  if (!node.IsScalar()) return Wrong(file, key, "must be a text");
  out = node.Scalar();
  return absl::OkStatus();
}

absl::Status ReadIdentity(const YAML::Node& node, const std::string& file, const std::string& key,
                          const std::string& folder, Identity& identity) {
  if (!node.IsMap()) return Wrong(file, key, "must have the keys certificate and key");
  for (const auto& entry : node) {
    const std::string name = entry.first.Scalar();
    std::string* const out = name == "certificate" ? &identity.certificate_file
                             : name == "key"       ? &identity.key_file
                                                   : nullptr;
    const std::string path = absl::StrCat(key, ".", name);
    if (out == nullptr) return Wrong(file, path, "is not a key of an identity (certificate, key)");
    ASSAY_RETURN_IF_ERROR(ReadText(entry.second, file, path, *out));
    *out = PathBelow(folder, *out);
  }
  if (identity.certificate_file.empty() || identity.key_file.empty()) {
    return Wrong(file, key, "needs both certificate and key");
  }
  return absl::OkStatus();
}

absl::Status ReadIdentities(const YAML::Node& node, const std::string& folder, Profile& profile) {
  if (!node.IsMap()) return Wrong(profile.path, "identities", "must name roles");
  for (const auto& entry : node) {
    const std::string role = entry.first.Scalar();
    Identity identity;
    ASSAY_RETURN_IF_ERROR(ReadIdentity(entry.second, profile.path,
                                       absl::StrCat("identities.", role), folder, identity));
    profile.identities.emplace(role, std::move(identity));
  }
  return absl::OkStatus();
}

absl::Status Fill(const YAML::Node& root, Profile& profile) {
  if (!root.IsMap())
    return Wrong(profile.path, "(top)", "must have the keys server, ca, identities");
  const std::string folder = std::filesystem::path(profile.path).parent_path().string();
  for (const auto& entry : root) {
    const std::string key = entry.first.Scalar();
    std::string* const out = key == "server"        ? &profile.server
                             : key == "server_name" ? &profile.server_name
                             : key == "ca"          ? &profile.ca_file
                             : key == "factory"     ? &profile.factory
                                                    : nullptr;
    if (key == "identities") {
      ASSAY_RETURN_IF_ERROR(ReadIdentities(entry.second, folder, profile));
    } else if (out == nullptr) {
      return Wrong(profile.path, key, "is not a key of a client profile");
    } else {
      ASSAY_RETURN_IF_ERROR(ReadText(entry.second, profile.path, key, *out));
    }
  }
  if (profile.server.empty()) return Wrong(profile.path, "server", "is required");
  if (profile.ca_file.empty()) return Wrong(profile.path, "ca", "is required");
  profile.ca_file = PathBelow(folder, profile.ca_file);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Identity> Profile::IdentityOf(const std::string& role) const {
  const auto found = identities.find(role);
  if (found != identities.end()) return found->second;
  return RefuseField(Reason::FIELD_REQUIRED, absl::StrCat(path, ": identities.", role), "",
                     "the profile has no certificate for this role");
}

absl::StatusOr<Profile> ParseProfile(std::string_view yaml, const std::string& path) {
  Profile profile;
  profile.path = path;
  try {
    ASSAY_RETURN_IF_ERROR(Fill(YAML::Load(std::string(yaml)), profile));
  } catch (const YAML::Exception& e) {
    return Wrong(path, absl::StrCat("line ", e.mark.line + 1), e.msg);
  }
  return profile;
}

absl::StatusOr<Profile> FindProfile(const std::string& given) {
  std::vector<std::string> places;
  if (!given.empty()) {
    places = {given};
  } else {
    if (const char* path = std::getenv("ASSAY_PROFILE"); path != nullptr && *path != '\0') {
      places = {path};
    } else {
      places = {"var/client.yaml"};
      if (const char* home = std::getenv("HOME"); home != nullptr) {
        places.push_back(PathBelow(home, ".config/assay/client.yaml"));
      }
    }
  }
  for (const std::string& place : places) {
    if (!PathExists(place)) continue;
    auto text = ReadTextFile(place);
    if (!text.ok()) return text.status();
    return ParseProfile(*text, place);
  }
  return RefuseField(Reason::FIELD_REQUIRED, "profile", "",
                     absl::StrCat("no client profile at ", absl::StrJoin(places, " or "),
                                  "; give one with --profile or ASSAY_PROFILE"));
}

}  // namespace assay::client
