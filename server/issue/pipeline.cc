#include "server/issue/pipeline.h"

#include <algorithm>

#include "matter/certificate.h"
#include "server/issue/pipeline_impl.h"

namespace assay::issue {
namespace {

constexpr int kBuildBatch = 8;     // a share for each of several threads
constexpr int kAnswerBatch = 16;   // as are sealed together, about
constexpr int kCheckBatch = 8;     // as many signatures are checked side by side
constexpr int kVerifierBatch = 1;  // the others of a batch are taken while it runs

// Batches of one kind at once: half the threads, so that intents and seals do not hold each other
// up and a batch is what gathered while the last one ran.
int Half(int threads) { return threads < 2 ? 0 : threads / 2; }

// The larger a batch, the fewer commits and wake-ups an identity costs. So a batch waits until a
// fifth of the tickets under way are in it, though not for long beside what they all take: whoever
// is alone waits for nobody (docs/performance.md, "What the database costs").
constexpr int kGatheredOf = 5;
constexpr std::chrono::microseconds kGatherForEach{500}, kGatherAtMost{20'000};
// The HSM gives one signature after the other. Where many tickets are under way, a thread woken for
// each would cost more than the check itself, and leave lanes of it empty.
constexpr int kManyUnderWay = 4 * kCheckBatch;
constexpr std::chrono::microseconds kCheckGather{1'000};

std::string LineOf(const WorkPtr& work) { return work->caller.line; }

}  // namespace

std::string_view StepName(Step step) {
  switch (step) {
    case Step::kAdmit:
      return "admit";
    case Step::kTicket:
      return "ticket";
    case Step::kClaim:
      return "claim";
    case Step::kBuild:
      return "build";
    case Step::kIntent:
      return "intent";
    case Step::kSign:
      return "sign";
    case Step::kVerify:
      return "verify";
    case Step::kSeal:
      return "seal";
  }
  return "";
}

Pipeline::Impl::Impl(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token,
                     std::shared_ptr<hsm::Signer> signers, Random& random, const Clock& clock,
                     Observer& observer, PipelineOptions options)
    : store_(std::move(store)),
      signers_(std::move(signers)),
      random_(random),
      clock_(clock),
      observer_(observer),
      options_(std::move(options)),
      plans_(store_, std::move(token), options_.wrapping_key, options_.plan_keep),
      gate_(options_.max_in_flight),
      crypto_(options_.crypto_threads,
              {{kAnswerBatch, [this](auto batch) { AnswerBatch(std::move(batch)); }},
               {kCheckBatch, [this](auto batch) { FinishBatch(batch); }, 0,
                [this](const WorkPtr& first, size_t) { return CheckUntil(*first); }},
               {kCheckBatch, [this](auto batch) { VerifyBatch(batch); }, 0,
                [this](const WorkPtr& first, size_t) { return CheckUntil(*first); }},
               {kBuildBatch, [this](auto batch) { BuildBatch(std::move(batch)); }}},
              LineOf),
      verifiers_(options_.crypto_threads,
                 {{kVerifierBatch, [this](auto batch) { MakeVerifiers(std::move(batch)); }}},
                 LineOf),
      database_(options_.store_threads,
                {Gathered(&Impl::SealBatch),
                 {options_.max_batch, [this](auto batch) { VoidBatch(std::move(batch)); }},
                 Gathered(&Impl::IntentBatch),
                 {options_.max_batch, [this](auto batch) { ConfirmBatch(std::move(batch)); }},
                 Gathered(&Impl::TicketBatch)},
                [](const Errand& errand) {
                  if (errand.work != nullptr) return errand.work->caller.line;
                  return errand.confirming != nullptr ? errand.confirming->caller.line
                                                      : std::string();
                }) {
  gate_.SetLimits(options_.limits);
  const auto certificate = matter::Certificate::Parse(options_.image_certificate);
  if (certificate.ok()) {
    auto key = matter::SignatureVerifier::Make(certificate->public_key());
    auto cms = image::DetachedCmsTemplate::Make(options_.image_certificate);
    if (key.ok() && cms.ok()) image_key_ = ImageKey{*std::move(key), *std::move(cms)};
  }
  if (options_.reserve.size > 0) {
    reserve_ = std::make_unique<Reserve>(random_, clock_, options_.reserve);
    if (options_.crypto_threads > 0) reserve_->Start();
  }
  if (options_.delegate_images) {
    delegation_ = std::make_unique<ImageDelegation>(signers_, options_.image_key,
                                                    options_.image_certificate, random_, clock_);
  }
}

Pipeline::Impl::~Impl() {
  Drain();
  {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return gate_.in_flight() == 0; });
  }
  crypto_.Stop();
  verifiers_.Stop();
  database_.Stop();
}

WorkQueue<Pipeline::Impl::Errand>::Kind Pipeline::Impl::Gathered(
    void (Impl::*run)(std::vector<Errand>)) {
  return {options_.max_batch, [this, run](auto batch) { (this->*run)(std::move(batch)); },
          Half(options_.store_threads),
          [this](const Errand& first, size_t waiting) { return GatherUntil(first, waiting); }};
}

std::chrono::steady_clock::time_point Pipeline::Impl::GatherUntil(const Errand& first,
                                                                  size_t waiting) const {
  const int under_way = active_;
  if (first.work == nullptr || static_cast<int>(waiting) * kGatheredOf >= under_way) return {};
  return first.work->step_started + std::min(under_way * kGatherForEach, kGatherAtMost);
}

std::chrono::steady_clock::time_point Pipeline::Impl::CheckUntil(const Work& first) const {
  if (active_ < kManyUnderWay) return {};
  return first.signed_at + kCheckGather;
}

// ---- the door
// --------------------------------------------------------------------------------------------

Pipeline::Pipeline(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token,
                   std::shared_ptr<hsm::Signer> signers, Random& random, const Clock& clock,
                   Observer& observer, PipelineOptions options)
    : impl_(std::make_shared<Impl>(std::move(store), std::move(token), std::move(signers), random,
                                   clock, observer, std::move(options))) {}

Pipeline::~Pipeline() = default;

void Pipeline::Submit(const access::Caller& caller, v1::IssueRequest request, Deadline deadline,
                      Done done) {
  impl_->Submit(caller, std::move(request), deadline, std::move(done), false);
}

void Pipeline::Fetch(const access::Caller& caller, v1::GetSealedRequest request, Deadline deadline,
                     Done done) {
  v1::IssueRequest wanted;
  wanted.set_lot(request.lot());
  wanted.set_ticket(request.ticket());
  impl_->Submit(caller, std::move(wanted), deadline, std::move(done), true);
}

void Pipeline::Confirm(const access::Caller& caller, v1::ConfirmRequest request, Deadline deadline,
                       ConfirmDone done) {
  impl_->Confirm(caller, std::move(request), deadline, std::move(done));
}

void Pipeline::Drain() { impl_->Drain(); }
void Pipeline::VoidOrphans() { impl_->VoidOrphans(); }
PipelineCounters Pipeline::Counters() const { return impl_->Counters(); }
void Pipeline::SetLimits(FairLimits limits) { impl_->SetLimits(limits); }
bool Pipeline::RunBatch(Queue queue) { return impl_->RunBatch(queue); }

}  // namespace assay::issue
