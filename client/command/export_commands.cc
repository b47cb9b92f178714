#include <openssl/evp.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "assay/v1/records.grpc.pb.h"
#include "base/refusal.h"
#include "client/command/checkpoint_age.h"
#include "client/command/commands.h"
#include "client/fault.h"
#include "client/files.h"
#include "client/growing_file.h"
#include "client/ledger_reader.h"
#include "client/progress.h"
#include "tlog/checkpoint.h"
#include "tlog/note.h"

namespace assay::client {
namespace {

using nlohmann::json;

constexpr std::string_view kFirstLine = "assay.export/v1\n";

// SHA-256 of what comes in pieces.
class Digest {
 public:
  Digest() { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  void Add(std::string_view text) {
    EVP_DigestUpdate(context_.get(), text.data(), text.size());
    bytes_ += text.size();
  }
  std::string Hex() {
    Sha256Digest sum{};
    EVP_DigestFinal_ex(context_.get(), sum.data(), nullptr);
    return ToHex(sum);
  }
  uint64_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  uint64_t bytes_ = 0;
};

// Where the pieces go, and what was got.
struct Sink {
  Context& context;
  std::unique_ptr<GrowingFile> file;  // null: standard output
  Digest digest;
  uint64_t rows = 0;
  std::string manifest;
  std::unique_ptr<Progress> progress;

  absl::Status Take(const v1::ExportPart& part) {
    if (part.has_begin() && file != nullptr) {
      progress = std::make_unique<Progress>(context.remarks(), 0, part.begin().total());
    }
    if (part.has_end()) manifest = part.end().manifest();
    if (!part.has_text()) return absl::OkStatus();
    rows += part.text().rows();
    digest.Add(part.text().text());
    if (progress != nullptr) progress->Add(part.text().rows());
    if (file != nullptr) return file->Write(part.text().text());
    context.Print(part.text().text());
    return absl::OkStatus();
  }
};

struct Signed {
  json manifest;
  tlog::Checkpoint checkpoint;
};

// The manifest and its checkpoint, each under the key's signature.
absl::StatusOr<Signed> OpenManifest(const std::string& text, const tlog::NoteKey& key) {
  const auto note = tlog::OpenNote(text, {&key, 1});
  if (!note.ok()) return note.status();
  const auto malformed = [](const char* rule) {
    return RefuseField(Reason::FIELD_MALFORMED, "manifest", "", rule);
  };
  if (!note->text.starts_with(kFirstLine))
    return malformed("is signed, but is no export's manifest");
  Signed opened;
  opened.manifest = json::parse(note->text.substr(kFirstLine.size()), nullptr, false);
  if (!opened.manifest.is_object() || !opened.manifest.contains("checkpoint") ||
      !opened.manifest["checkpoint"].is_string()) {
    return malformed("is no export's manifest");
  }
  auto checkpoint = tlog::OpenCheckpoint(opened.manifest["checkpoint"].get<std::string>(), key);
  if (!checkpoint.ok()) return Within("the manifest's checkpoint", checkpoint.status());
  opened.checkpoint = *std::move(checkpoint);
  return opened;
}

// What is in the file, without holding it.
absl::StatusOr<std::pair<uint64_t, std::string>> DigestOfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return RefuseField(Reason::FIELD_NOT_ALLOWED, "file", path, "cannot be read");
  Digest digest;
  std::string buffer(1 << 20, '\0');
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), file.gcount() > 0) {
    digest.Add(std::string_view(buffer).substr(0, static_cast<size_t>(file.gcount())));
  }
  const uint64_t bytes = digest.bytes();
  return std::pair(bytes, digest.Hex());
}

std::string ManifestFile(const AuditOptions& options, const std::string& file) {
  if (!options.manifest.empty()) return options.manifest;
  return file.empty() ? "" : file + ".manifest";
}

}  // namespace

absl::Status ExportRecords(Context& context, const AuditOptions& options) {
  v1::ExportRequest request;
  auto filter = FilterOf(options);
  if (!filter.ok()) return filter.status();
  *request.mutable_filter() = *std::move(filter);
  request.set_format(options.format == "csv" ? v1::EXPORT_FORMAT_CSV
                                             : v1::EXPORT_FORMAT_JSON_LINES);
  request.set_codes(options.codes);
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  Sink sink{context, nullptr, {}, 0, "", nullptr};
  if (!options.out.empty()) {
    auto file = GrowingFile::Create(options.out, kPrivateFile);
    if (!file.ok()) return file.status();
    sink.file = std::make_unique<GrowingFile>(*std::move(file));
  }
  const auto stub = v1::RecordsService::NewStub((*connection)->channel());
  grpc::ClientContext call;
  const auto reader = stub->Export(&call, request);
  v1::ExportPart part;
  while (reader->Read(&part)) {
    if (const absl::Status taken = sink.Take(part); !taken.ok()) {
      call.TryCancel();
      static_cast<void>(reader->Finish());
      return taken;
    }
  }
  ASSAY_RETURN_IF_ERROR(FromGrpc(reader->Finish()));
  if (sink.progress != nullptr) sink.progress->End();
  if (sink.manifest.empty()) {
    return Refuse(Reason::REQUEST_MALFORMED, "the export ended without its manifest");
  }
  if (sink.file != nullptr) ASSAY_RETURN_IF_ERROR(sink.file->Commit());
  const std::string manifest = ManifestFile(options, options.out);
  if (!manifest.empty()) {
    ASSAY_RETURN_IF_ERROR(ReplaceFile(manifest, AsBytes(sink.manifest), kPublicFile));
  }
  if (!options.out.empty()) {
    context.Remark(absl::StrCat(sink.rows, " rows in ", options.out, ", signed in ", manifest));
  }
  return absl::OkStatus();
}

absl::Status VerifyExport(Context& context, const AuditOptions& options) {
  const auto key = ReadVerifierKey("--key", options.key);
  if (!key.ok()) return key.status();
  const auto text = ReadTextFile(ManifestFile(options, options.file));
  if (!text.ok()) return text.status();
  const auto opened = OpenManifest(*text, *key);
  if (!opened.ok()) return opened.status();
  const json& manifest = opened->manifest;
  const auto found = DigestOfFile(options.file);
  if (!found.ok()) return found.status();
  if (manifest.value("sha256", "") != found->second) {
    return RefuseField(
        Reason::FIELDS_CONTRADICT, "file", options.file,
        absl::StrCat("is not what was signed: it has ", found->first, " bytes, the export ",
                     manifest.value("bytes", uint64_t{0}), "; its SHA-256 is ", found->second));
  }
  ASSAY_RETURN_IF_ERROR(CheckNotBefore(*key, opened->checkpoint, options.not_before, "export"));
  if (context.json()) {
    context.Print(manifest.dump() + "\n");
    return absl::OkStatus();
  }
  context.Print(absl::StrCat("verified: ", manifest.value("rows", uint64_t{0}), " rows, ",
                             found->first, " bytes\n  read at: ", manifest.value("read_at", ""),
                             "\n  by: ", manifest.value("reader", ""),
                             "\n  filter: ", manifest.value("filter", json::object()).dump(),
                             "\n  ledger: ", opened->checkpoint.size, " entries of ",
                             opened->checkpoint.origin, "\n"));
  return absl::OkStatus();
}

}  // namespace assay::client
