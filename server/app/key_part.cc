#include "server/app/key_part.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "matter/certificate.h"
#include "server/ops/figures.h"
#include "server/ops/housekeeping.h"

namespace assay::app {
namespace {

constexpr int kIntervalsARound = 6;

std::optional<hsm::PublicPoint> PointOf(ByteView bytes) {
  hsm::PublicPoint point{};
  if (bytes.size() != point.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), point.begin());
  return point;
}

}  // namespace

KeyPart::KeyPart(const ops::Config& config, std::shared_ptr<hsm::Token> token)
    : config_(config),
      vetted_(std::make_shared<hsm::VettedToken>(
          std::move(token),
          config.production ? hsm::KeyOrigin::kMadeInToken : hsm::KeyOrigin::kImportAllowed)) {}

void KeyPart::Serve(const rpc::FrontDesk& desk, rpc::BlockingPool& calls,
                    authority::Authority& authority) {
  service_ = std::make_unique<rpc::PaiKeyService>(desk, calls, authority);
}

void KeyPart::Start(std::shared_ptr<db::Store> store) {
  store_ = std::move(store);
  rounds_ = std::make_unique<ops::Periodic>(kIntervalsARound * config_.limits.health_interval,
                                            ops::Told("key_round", [this] { return Round(); }));
}

absl::Status KeyPart::Round() {
  std::vector<hsm::VettedToken::Expected> keys;
  const auto image = matter::Certificate::Parse(config_.hsm.image_certificate);
  keys.push_back({config_.hsm.image_key, image.ok() ? PointOf(image->public_key()) : std::nullopt});
  keys.push_back({config_.hsm.wrapping_key, std::nullopt});
  keys.push_back({config_.hsm.ledger_key, std::nullopt});
  const auto pais = store_->ListPais();
  if (pais.ok()) {
    for (const db::Pai& pai : *pais) keys.push_back({pai.key_label, PointOf(pai.public_key)});
  }
  std::set<std::string> unfit;
  for (const auto& key : vetted_->Vet(keys)) {
    unfit.insert(key.label);
    if (!told_.insert(key.label).second) continue;
    LogError("hsm_key_unfit", {{"key", key.label}, {"message", std::string(key.why.message())}});
  }
  // Of keys not looked at, because the store did not tell its PAIs, nothing is known.
  for (const auto& key : keys) {
    if (unfit.contains(key.label) || told_.erase(key.label) == 0) continue;
    LogInfo("hsm_key_fits_again", {{"key", key.label}});
  }
  return pais.status();
}

std::vector<ops::FigureFamily> KeyPart::Figures() const {
  std::vector<std::string> unfit;
  for (const auto& key : vetted_->UnfitKeys()) unfit.push_back(key.label);
  return {ops::KeyFigures(unfit)};
}

}  // namespace assay::app
