// Lots, PAIs and keys: what the devices are held against. Read once.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/v1/catalog.pb.h"
#include "fsck/finding.h"
#include "fsck/p256.h"
#include "fsck/snapshot.h"
#include "matter/certificate.h"
#include "tlog/note.h"

namespace assay::fsck {

struct LotFacts {
  int64_t id = 0;
  std::string name, product, factory;
  uint16_t vendor_id = 0, product_id = 0;
  v1::ProductSpec spec;
  absl::Duration retention;
  Bytes wrapped_key;
  uint64_t capacity = 0, claimed = 0, sealed = 0, confirmed = 0, scrapped = 0;
  bool HasDac() const { return spec.dac().attestation() != v1::ATTESTATION_NONE; }
};

struct PaiFacts {
  std::string name, key_label;
  Bytes public_key;
  std::optional<matter::Certificate> certificate;
  std::optional<FixedKey> key;
};

// Who signs the images.
struct ImageSigner {
  Bytes certificate;
  FixedKey key;
  // A signature's bytes up to the DER of (r, s), by the size of the whole.
  std::map<size_t, Bytes> prefixes;
  static absl::StatusOr<ImageSigner> Make(ByteView certificate);
};

struct Facts {
  absl::Time now;  // the database's
  std::map<int64_t, LotFacts> lots;
  std::map<std::string, PaiFacts> pais;
  std::vector<ImageSigner> image_signers;
  std::optional<tlog::NoteKey> ledger_key;
};

// Lots and PAIs, the PAIs' certificates checked with their PAAs'. Throws as Session does.
absl::Status ReadFacts(Session& session, Facts& facts, Findings& findings);

}  // namespace assay::fsck
