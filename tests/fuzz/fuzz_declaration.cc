// Certification declarations: the envelope, its content, and verification with a trusted signer.
#include <cstdlib>

#include "matter/certification_declaration.h"

namespace {

using namespace assay::matter;

void ContentReadsBack(assay::ByteView tlv) {
  const auto cd = DecodeCdContent(tlv);
  if (!cd.ok()) return;
  // Empty lists and reserved types are read, to be judged as the SDK judges them, and never
  // written.
  const bool writable = !cd->product_ids.empty() &&
                        (!cd->authorized_paas || !cd->authorized_paas->empty()) &&
                        cd->certification_type <= CertificationDeclaration::kOfficial &&
                        tlv.size() <= kMaxCdContentSize;
  const auto written = EncodeCdContent(*cd);
  if (!written.ok()) {
    if (writable) std::abort();
    return;
  }
  const auto again = DecodeCdContent(*written);
  if (!again.ok() || !(*again == *cd)) std::abort();
  (void)MatchCd(*cd, {}).size();
  (void)MatchCdRecord(*cd, {}).size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const CdSignerSet* const kSigners = [] {
    auto* const signers = new CdSignerSet();
    signers->AddSdkTestSigner();
    return signers;
  }();
  const assay::ByteView view(bytes, size);
  ContentReadsBack(view);
  (void)CdSignerKeyId(view).status();
  const auto envelope = ParseCdEnvelope(view);
  if (envelope.ok()) {
    ContentReadsBack(envelope->content);
    if (const auto raw = SignatureFromDer(envelope->signature_der); raw.ok()) {
      const assay::Bytes again = AssembleCd(envelope->content, envelope->signer_key_id, *raw);
      if (!ParseCdEnvelope(again).ok()) std::abort();
    }
  }
  const bool verified = VerifyCd(view, {kSigners, true}).ok();
  if (verified && !envelope.ok()) std::abort();
  std::optional<CertificationDeclaration> cd;
  (void)VerifyCdAsSdk(view, {kSigners, true}, cd);
  return 0;
}
