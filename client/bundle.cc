#include "client/bundle.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "client/device_folder.h"
#include "client/identity_check.h"
#include "image/bundle_list.h"
#include "image/cms.h"
#include "matter/certificate.h"

namespace assay::client {
namespace {

constexpr char kManifestName[] = "manifest.csv";
constexpr char kCertificateName[] = "image_certificate.pem";
constexpr std::string_view kSignatureEnding = ".cms";
constexpr std::string_view kListHead = "# assay bundle 1 of lot ";

absl::Status Invalid(absl::string_view member, absl::string_view rule) {
  return RefuseField(Reason::BUNDLE_INVALID, member, "", rule);
}

struct Contents {
  std::map<std::string, Sha256Digest> members;  // without list and signature
  std::map<std::string, std::string> signatures;
  std::string list, list_signature;
  std::set<std::string> twice;
};

absl::StatusOr<Contents> ReadAll(const std::string& path) {
  auto reader = TarReader::Open(path);
  if (!reader.ok()) return reader.status();
  Contents contents;
  while (true) {
    auto next = reader->Next(
        [](std::string_view name) { return name == kBundleListName || name.ends_with(".cms"); });
    if (!next.ok()) return next.status();
    if (!next->has_value()) return contents;
    TarReader::Member& member = **next;
    if (member.name == kBundleListName || member.name == kBundleSignatureName) {
      std::string& place = member.name == kBundleListName ? contents.list : contents.list_signature;
      if (!place.empty()) contents.twice.insert(member.name);
      place = std::move(member.content);
      continue;
    }
    if (!contents.members.emplace(member.name, member.sha256).second) {
      contents.twice.insert(member.name);
    }
    if (member.name.ends_with(kSignatureEnding)) {
      contents.signatures[member.name] = std::move(member.content);
    }
  }
}

// The lot's name out of the list's first line; the reader holds the line against it again.
std::string LotOfList(std::string_view list) {
  if (!list.starts_with(kListHead)) return "";
  list.remove_prefix(kListHead.size());
  return std::string(list.substr(0, list.find('\n')));
}

void CheckImages(const Contents& contents, ByteView certificate, BundleVerdict& verdict) {
  for (const auto& [name, signature] : contents.signatures) {
    const std::string image = name.substr(0, name.size() - kSignatureEnding.size());
    const auto found = contents.members.find(image);
    if (found == contents.members.end()) continue;  // missing, and told so
    if (!image::VerifyDetachedCmsDigest(AsBytes(signature), found->second, certificate).ok()) {
      verdict.findings.push_back({image, "signature"});
    }
  }
}

}  // namespace

absl::StatusOr<BundleWriter> BundleWriter::Create(const std::string& path, std::string lot) {
  auto tar = TarWriter::Create(path);
  if (!tar.ok()) return tar.status();
  BundleWriter writer(*std::move(tar), std::move(lot));
  writer.manifest_ = ManifestHeader();
  return writer;
}

absl::Status BundleWriter::Add(const std::string& name, ByteView bytes) {
  if (!image::IsBundleName(name) || !members_.emplace(name, Sha256(bytes)).second) {
    return RefuseField(Reason::INTERNAL, "bundle", name, "is no fit name, or is there twice");
  }
  return tar_.Add(name, bytes);
}

absl::Status BundleWriter::AddUnit(const v1::Identity& identity, const v1::ProductSpec& spec) {
  ASSAY_RETURN_IF_ERROR(CheckIdentity(identity, spec));
  if (image_certificate_.empty()) image_certificate_ = identity.image_certificate();
  if (image_certificate_ != identity.image_certificate()) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "image_certificate", identity.device_id(),
                       "was signed by another image key than the units before; units of one bundle "
                       "have one signer");
  }
  ASSAY_RETURN_IF_ERROR(CheckFileName(identity.device_id()));
  auto files = DeviceFiles(identity, spec);
  if (!files.ok()) return files.status();
  for (const DeviceFile& file : *files) {
    if (file.name == "manifest_row.csv") continue;
    ASSAY_RETURN_IF_ERROR(
        Add(absl::StrCat("units/", identity.device_id(), "/", file.name), file.bytes.view()));
  }
  manifest_ += ManifestRowOf(identity, spec);
  ++units_;
  return absl::OkStatus();
}

absl::StatusOr<std::string> BundleWriter::Close() {
  if (units_ == 0) {
    return RefuseField(Reason::FIELD_REQUIRED, "lot", lot_, "has no unit that could be shipped");
  }
  ASSAY_RETURN_IF_ERROR(Add(kManifestName, AsBytes(manifest_)));
  ASSAY_RETURN_IF_ERROR(
      Add(kCertificateName, AsBytes(matter::ToPem("CERTIFICATE", AsBytes(image_certificate_)))));
  std::string list = image::BundleListHead(lot_);
  for (const auto& [name, digest] : members_) list += image::BundleListLine(digest, name);
  return list;
}

absl::Status BundleWriter::Finish(const std::string& list, const std::string& signature,
                                  const std::string& certificate) {
  if (certificate != image_certificate_) {
    return RefuseField(Reason::VERIFY_FAILED, "certificate", "",
                       "the list was signed by another key than the images");
  }
  ASSAY_RETURN_IF_ERROR(
      image::VerifyDetachedCms(AsBytes(signature), AsBytes(list), AsBytes(certificate)));
  ASSAY_RETURN_IF_ERROR(tar_.Add(kBundleListName, AsBytes(list)));
  ASSAY_RETURN_IF_ERROR(tar_.Add(kBundleSignatureName, AsBytes(signature)));
  return tar_.Finish();
}

absl::StatusOr<BundleVerdict> VerifyBundle(const std::string& path, ByteView certificate) {
  const auto contents = ReadAll(path);
  if (!contents.ok()) return contents.status();
  if (contents->list.empty()) return Invalid(kBundleListName, "the archive has no list");
  if (contents->list_signature.empty()) {
    return Invalid(kBundleSignatureName, "the archive's list has no signature");
  }
  const absl::Status listed = image::VerifyDetachedCms(AsBytes(contents->list_signature),
                                                       AsBytes(contents->list), certificate);
  if (!listed.ok()) {
    return Invalid(
        kBundleListName,
        absl::StrCat("is not what the owner of this certificate signed: ", listed.message()));
  }
  BundleVerdict verdict;
  verdict.lot = LotOfList(contents->list);
  std::map<std::string, Sha256Digest> listed_members;
  image::BundleListReader reader(verdict.lot,
                                 [&](std::string_view name, const Sha256Digest& digest) {
                                   listed_members.emplace(name, digest);
                                 });
  absl::Status read = reader.Feed(contents->list);
  if (read.ok()) read = reader.End();
  if (!read.ok()) return Invalid(kBundleListName, read.message());
  verdict.members = reader.members();
  std::set<std::string> units;
  for (const auto& [name, digest] : listed_members) {
    if (name.starts_with("units/")) units.insert(name.substr(0, name.find('/', 6)));
    const auto found = contents->members.find(name);
    if (found == contents->members.end()) {
      verdict.findings.push_back({name, "missing"});
    } else if (found->second != digest) {
      verdict.findings.push_back({name, "changed"});
    }
  }
  verdict.units = units.size();
  for (const auto& [name, digest] : contents->members) {
    if (!listed_members.contains(name)) verdict.findings.push_back({name, "added"});
  }
  for (const std::string& name : contents->twice) verdict.findings.push_back({name, "twice"});
  CheckImages(*contents, certificate, verdict);
  std::ranges::stable_sort(verdict.findings, {}, &BundleFinding::member);
  return verdict;
}

}  // namespace assay::client
