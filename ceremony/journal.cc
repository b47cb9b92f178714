#include "ceremony/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/refusal.h"
#include "ceremony/files.h"
#include "nlohmann/json.hpp"

namespace assay::ceremony {
namespace {

constexpr char kPlanKey[] = "ceremony_sha256", kStartedKey[] = "started_at",
               kMakingKey[] = "making";

absl::Status Unwritable(const std::string& path) {
  return RefuseField(Reason::FIELD_NOT_ALLOWED, "journal", path, "cannot be written");
}

// Whole lines only: a kill may have torn the last one, and then its effect was not begun.
std::vector<nlohmann::json> LinesOf(std::string_view text) {
  std::vector<nlohmann::json> lines;
  const size_t end = text.rfind('\n');
  if (end == std::string_view::npos) return lines;
  const std::string whole(text.substr(0, end));
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(whole, '\n'))) {
    auto parsed = nlohmann::json::parse(line, nullptr, false);
    if (parsed.is_object()) lines.push_back(std::move(parsed));
  }
  return lines;
}

std::string Member(const nlohmann::json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

absl::StatusOr<Journal> Journal::Open(const std::string& path, const Sha256Digest& plan,
                                      absl::Time now) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return Unwritable(path);
  Journal journal(path, file);
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "journal", path,
                       "another run of this ceremony is under way");
  }
  ASSAY_RETURN_IF_ERROR(journal.Read(plan, now));
  return journal;
}

Journal::Journal(Journal&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      started_at_(other.started_at_),
      begun_(std::move(other.begun_)) {}

Journal::~Journal() {
  if (file_ >= 0) close(file_);
}

absl::Status Journal::Read(const Sha256Digest& plan, absl::Time now) {
  const auto text = ReadIfThere(path_);
  if (!text.ok()) return text.status();
  const std::vector<nlohmann::json> lines = LinesOf(text->value_or(""));
  if (lines.empty()) {
    if (ftruncate(file_, 0) != 0) return Unwritable(path_);
    started_at_ = now;
    const nlohmann::json head = {{kPlanKey, ToHex(plan)}, {kStartedKey, absl::FormatTime(now)}};
    return Append(head.dump());
  }
  if (Member(lines.front(), kPlanKey) != ToHex(plan)) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "journal", path_,
                       "an unfinished ceremony of another content of the file left it: finish that "
                       "one with the file as it was");
  }
  if (!absl::ParseTime(absl::RFC3339_full, Member(lines.front(), kStartedKey), &started_at_,
                       nullptr)) {
    started_at_ = now;
  }
  for (const nlohmann::json& line : lines) {
    if (const std::string label = Member(line, kMakingKey); !label.empty()) begun_.insert(label);
  }
  // A torn last line must not run into the next one.
  if (!(*text)->ends_with('\n')) return Append("");
  return absl::OkStatus();
}

absl::Status Journal::Append(const std::string& line) {
  const std::string text = line + "\n";
  if (write(file_, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      fsync(file_) != 0) {
    return Unwritable(path_);
  }
  return absl::OkStatus();
}

absl::Status Journal::Begin(std::string_view label) {
  if (Began(label)) return absl::OkStatus();
  ASSAY_RETURN_IF_ERROR(Append(nlohmann::json({{kMakingKey, std::string(label)}}).dump()));
  begun_.emplace(label);
  return absl::OkStatus();
}

void Journal::Remove() { unlink(path_.c_str()); }

std::set<std::string, std::less<>> BegunKeys(const std::string& path, const Sha256Digest& plan) {
  std::set<std::string, std::less<>> begun;
  const auto text = ReadIfThere(path);
  if (!text.ok() || !text->has_value()) return begun;
  const std::vector<nlohmann::json> lines = LinesOf(**text);
  if (lines.empty() || Member(lines.front(), kPlanKey) != ToHex(plan)) return begun;
  for (const nlohmann::json& line : lines) {
    if (std::string label = Member(line, kMakingKey); !label.empty())
      begun.insert(std::move(label));
  }
  return begun;
}

}  // namespace assay::ceremony
