// CRL distribution points (RFC 5280 4.2.1.13), as far as the SDK reads them.
#include <algorithm>

#include "base/refusal.h"
#include "matter/certificate.h"
#include "matter/der.h"
#include "matter/oid.h"

namespace assay::matter {
namespace {

constexpr size_t kMaxCdpUri = 100;

absl::Status NotOne(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "crl_distribution_points", "", rule);
}

// Fields of the only DistributionPoint.
absl::StatusOr<DerReader> OnlyPoint(const Certificate& certificate) {
  if (certificate.CountOf(kOidCrlDistributionPoints) != 1) return NotOne("exactly one extension");
  DerReader outer(certificate.Find(kOidCrlDistributionPoints)->value);
  absl::StatusOr<DerReader> points = outer.Enter(kDerSequence);
  if (!points.ok()) return points.status();
  absl::StatusOr<DerReader> point = points->Enter(kDerSequence);
  if (!point.ok()) return point.status();
  if (!points->AtEnd() || !outer.AtEnd()) return NotOne("exactly one distribution point");
  return point;
}

}  // namespace

absl::StatusOr<std::string> Certificate::CdpUri() const {
  absl::StatusOr<DerReader> point = OnlyPoint(*this);
  if (!point.ok()) return point.status();
  absl::StatusOr<DerReader> name = point->Enter(DerContextConstructed(0));
  if (!name.ok()) return name.status();
  absl::StatusOr<DerReader> full_name = name->Enter(DerContextConstructed(0));
  if (!full_name.ok()) return full_name.status();
  absl::StatusOr<ByteView> uri = full_name->Expect(DerContext(6));
  if (!uri.ok()) return uri.status();
  if (!full_name->AtEnd()) return NotOne("exactly one URI");
  const std::string text = ToText(*uri);
  if (!text.starts_with("http://") && !text.starts_with("https://")) {
    return NotOne("an http or https URI");
  }
  if (text.size() > kMaxCdpUri) {
    return RefuseField(Reason::FIELD_TOO_LONG, "crl_distribution_points", "", "at most 100 bytes");
  }
  return text;
}

absl::StatusOr<Bytes> Certificate::CdpCrlIssuer() const {
  absl::StatusOr<DerReader> point = OnlyPoint(*this);
  if (!point.ok()) return point.status();
  while (!point->AtEnd() && point->PeekTag() != DerContextConstructed(2)) {
    absl::StatusOr<DerElement> skipped = point->Next();
    if (!skipped.ok()) return skipped.status();
  }
  absl::StatusOr<DerReader> issuers = point->Enter(DerContextConstructed(2));
  if (!issuers.ok()) return issuers.status();
  absl::StatusOr<ByteView> name = issuers->Expect(DerContextConstructed(4));
  if (!name.ok()) return name.status();
  if (!issuers->AtEnd()) return NotOne("exactly one cRLIssuer");
  return ToBytes(*name);
}

}  // namespace assay::matter
