#include "tests/chaos/simulation/world.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/ledger_entry.h"

namespace assay::simulation {
namespace {

constexpr int kLongest = 20'000;  // steps; a world that goes on longer has lost its way
constexpr std::chrono::seconds kLease{15};
constexpr int kMostLiving = 3;

access::Caller Line(int number) {
  return {absl::StrCat("spiffe://assay.test/line/", number),
          absl::StrCat("line-", number),
          {access::Role::kLine, access::Role::kKeys},
          {"shenzhen"},
          {"*"}};
}

std::string TicketName(int ticket) { return absl::StrCat("t", ticket); }

}  // namespace

Ground::Ground() {
  const auto opened = workshop.Open("simulated", workshop.Light(), 1);
  EXPECT_TRUE(opened.ok()) << opened.status();
  product = *workshop.store->FindProduct("product-simulated");
  lot = *workshop.store->FindLot("simulated");
  pai = *workshop.store->FindPai("pai-fff1");
  made_at = absl::Now();
}

World::World(Ground& ground, Fibers& fibers, uint64_t seed, Planted planted)
    : ground_(ground),
      fibers_(fibers),
      planted_(planted),
      reserve_(seed % 4 == 0),
      chance_(seed),
      store_(std::make_shared<test_support::MemoryStore>(clock_)) {
  // Its certificates are valid from now on, and the clock may jump back.
  clock_.now = ground.made_at + absl::Hours(24);
  tickets_ = 2 + static_cast<int>(chance_.Below(4));
  lot_ = ground.lot;
  // Often fewer than the tickets that come.
  lot_.count = 1 + chance_.Below(static_cast<uint64_t>(tickets_) + 1);
  lot_.retention = std::chrono::hours(24);
  const db::Act act{"", "simulation", "make", "ground", {}, ""};
  EXPECT_TRUE(store_->CreatePai(act, ground.pai).ok());
  EXPECT_TRUE(store_->UpdatePai(act, ground.pai).ok());
  EXPECT_TRUE(store_->ApplyProduct(act, ground.product).ok());
  const auto lot = store_->OpenLot(act, lot_);
  EXPECT_TRUE(lot.ok()) << lot.status();
  lot_ = *lot;
  for (int i = 0; i < 2; ++i) Birth();
}

World::~World() {
  for (auto& replica : replicas_) {
    // It would wait for ever for its answers; the fault was told.
    if (replica->pipeline->Counters().in_flight != 0)
      static_cast<void>(replica->pipeline.release());
  }
}

void World::Birth() {
  issue::PipelineOptions options;
  options.image_certificate = ground_.workshop.sandbox.image_certificate;
  options.reserve.size = reserve_ ? 2 : 0;
  options.compact_identities = born_ % 2 == 0;  // of two that live, one writes either form
  const Fate fate{chance_, facts_, calm_, absl::StrCat("replica-", ++born_)};
  replicas_.push_back(std::make_unique<Replica>(fate, store_, ground_.workshop.token, clock_,
                                                observer_, options, chance_.Below(1ULL << 62),
                                                planted_));
  EXPECT_TRUE(store_->RenewLease(fate.name, kLease).ok());
  facts_.trace += fate.name + " is born\n";
}

Replica* World::Living() {
  std::vector<Replica*> living;
  for (auto& replica : replicas_) {
    if (!replica->fate.dead) living.push_back(replica.get());
  }
  if (living.empty()) return nullptr;
  return living[chance_.Below(living.size())];
}

bool World::RunBatch(Replica& replica, int queue) {
  if (replica.running[queue] == 2) return false;
  ++replica.running[queue];
  bool ran = true;
  Fiber* const fiber = fibers_.Start([&replica, queue, &ran] {
    const bool any = replica.pipeline->RunBatch(static_cast<issue::Pipeline::Queue>(queue));
    if (!any) ran = false;  // never suspended, so `ran` is still there
  });
  if (fiber == nullptr) {
    --replica.running[queue];
  } else {
    suspended_.push_back({fiber, &replica, queue});
  }
  return ran;
}

void World::ResumeOne() {
  const size_t which = chance_.Below(suspended_.size());
  const Suspended one = suspended_[which];
  suspended_.erase(suspended_.begin() + static_cast<std::ptrdiff_t>(which));
  if (fibers_.Resume(one.fiber)) {
    --one.replica->running[one.queue];
  } else {
    suspended_.push_back(one);
  }
}

// What happens around the pipelines.
void World::Environment(Replica& replica) {
  switch (chance_.Below(9)) {
    case 0:
      return replica.fate.Die("between two calls");
    case 1:
      clock_.now += absl::Seconds(static_cast<int64_t>(chance_.Below(10)));
      return;
    case 2:  // past every lease
      clock_.now += absl::Seconds(20);
      facts_.trace += "the clock jumps ahead\n";
      return;
    case 3:
      clock_.now -= absl::Seconds(5);
      facts_.trace += "the clock jumps back\n";
      return;
    case 4:
    case 5:
      static_cast<void>(store_->RenewLease(replica.fate.name, kLease));
      return;
    case 6:
      static_cast<void>(store_->VoidDeadAttempts());
      return;
    case 7:
      return replica.pipeline->VoidOrphans();
    default: {
      const Who who{static_cast<int>(chance_.Below(static_cast<uint64_t>(tickets_))), 0, 0};
      const auto given = given_.find(who.ticket);
      if (given != given_.end() && chance_.Happens(30)) Confirm(replica, given->second.who);
    }
  }
}

void World::Step() {
  int living = 0;
  for (const auto& replica : replicas_) living += replica->fate.dead ? 0 : 1;
  if (living == 0 || (living < kMostLiving && chance_.Happens(2))) Birth();
  Replica& replica = *Living();
  // A batch of the reserve's, in one step: it touches neither store nor token.
  if (reserve_ && chance_.Happens(10)) replica.pipeline->RunBatch(issue::Pipeline::Queue::kReserve);
  const uint64_t what = chance_.Below(100);
  if (what < 8) {
    Who who;
    who.ticket = static_cast<int>(chance_.Below(static_cast<uint64_t>(tickets_)));
    who.line = chance_.Happens(12) ? 1 : 0;
    who.content = chance_.Happens(12) ? 1 : 0;
    Ask(replica, who, chance_.Happens(15), nullptr);
  } else if (what < 14) {
    Environment(replica);
  } else if (what < 45 && !suspended_.empty()) {
    ResumeOne();
  } else if (what < 60) {
    for (auto& one : replicas_) {
      if (one->signer->waiting() != 0 && chance_.Happens(60)) return one->signer->Serve();
    }
  } else {
    RunBatch(*replicas_[chance_.Below(replicas_.size())], static_cast<int>(chance_.Below(2)));
  }
}

void World::Settle() {
  bool moved = true;
  for (int steps = 0; moved; ++steps) {
    if (steps > kLongest) return Fault("the pipelines never come to rest");
    moved = false;
    while (!suspended_.empty()) {
      ResumeOne();
      moved = true;
    }
    for (auto& replica : replicas_) {
      while (replica->signer->waiting() != 0) {
        replica->signer->Serve();
        moved = true;
      }
      for (const int queue : {0, 1}) moved = RunBatch(*replica, queue) || moved;
    }
  }
}

void World::Ask(Replica& replica, Who who, bool fetch, std::optional<Answer>* told) {
  ++unanswered_;
  const issue::Pipeline::Done done = [this, &replica, who, fetch, told](issue::Outcome outcome) {
    --unanswered_;
    const Answer answer = Heard(replica, who, fetch, outcome);
    if (told != nullptr) *told = answer;
  };
  if (fetch) {
    v1::GetSealedRequest request;
    request.set_lot(lot_.name);
    request.set_ticket(TicketName(who.ticket));
    return replica.pipeline->Fetch(Line(who.line), request, Deadline(), done);
  }
  v1::IssueRequest request = issue::Workshop::Request(lot_.name, TicketName(who.ticket));
  request.mutable_values()->set_serial_number(absl::StrCat("S", who.ticket, "-", who.content));
  replica.pipeline->Submit(Line(who.line), request, Deadline(), done);
}

World::Answer World::Heard(const Replica& replica, Who who, bool fetch,
                           const issue::Outcome& outcome) {
  if (replica.fate.dead) return Answer::kNone;
  facts_.trace += absl::StrCat(
      replica.fate.name, fetch ? " fetches " : " asks ", TicketName(who.ticket), " of line ",
      who.line, " content ", who.content, ": ",
      outcome.ok() ? "given" : std::string(ReasonName(RefusalOf(outcome.status())->reason)), "\n");
  if (outcome.ok()) {
    if (fetch) who.content = given_.contains(who.ticket) ? given_[who.ticket].who.content : -1;
    CheckGiven(who, *outcome);
    return Answer::kGiven;
  }
  switch (RefusalOf(outcome.status())->reason) {
    case Reason::IDENTITY_WIPED: {
      const auto given = given_.find(who.ticket);
      if (!confirmed_.contains(who.ticket)) {
        Fault(absl::StrCat("ticket ", who.ticket, " was wiped though nobody confirmed it"));
      }
      if (given != given_.end() &&
          outcome.status().message().find(given->second.device_id) == std::string::npos) {
        Fault("a wiped ticket names another device than was given");
      }
      return Answer::kWiped;
    }
    case Reason::QUOTA_EXCEEDED:
      refused_for_quota_[who.ticket] = true;
      return Answer::kQuota;
    case Reason::TICKET_CONFLICT:
    case Reason::SERIAL_NUMBER_TAKEN:
      return Answer::kConflict;
    case Reason::TICKET_OF_ANOTHER_LINE:
      return Answer::kAnotherLine;
    case Reason::TICKET_IN_FLIGHT:
    case Reason::TICKET_UNKNOWN:
    case Reason::STORE_UNAVAILABLE:
    case Reason::STORE_IN_DOUBT:
    case Reason::HSM_UNAVAILABLE:
    case Reason::HSM_TIMEOUT:
      return Answer::kAgain;
    default:
      Fault(absl::StrCat("an answer nobody can use: ", outcome.status().message()));
      return Answer::kAgain;
  }
}

// One identity a ticket, the same bytes each time, and none that is not sealed.
void World::CheckGiven(Who who, const v1::IssueResponse& response) {
  const std::string bytes = response.identity().SerializeAsString();
  const std::string& device = response.identity().device_id();
  const db::TicketKey key{lot_.id, TicketName(who.ticket)};
  const auto view = store_->FindTickets({&key, 1})[0];
  using State = db::TicketView::State;
  if (!view.ok() || (view->state != State::kSealed && view->state != State::kWiped) ||
      view->device_id != device) {
    Fault(absl::StrCat("given and not sealed: ", device));
  }
  const auto [at, first] = given_.try_emplace(who.ticket, Given{who, bytes, device});
  if (first) return;
  if (at->second.bytes != bytes) {
    Fault(absl::StrCat("ticket ", who.ticket, " was given as ", at->second.device_id,
                       " and with other bytes as ", device));
  }
  if (at->second.who.line != who.line) Fault("two lines were given one ticket");
  if (at->second.who.content == -1) at->second.who = who;
  if (who.content != -1 && at->second.who.content != who.content)
    Fault("two contents were given one ticket");
}

void World::Confirm(Replica& replica, Who who) {
  v1::ConfirmRequest request;
  request.set_lot(lot_.name);
  request.set_ticket(TicketName(who.ticket));
  request.set_outcome(v1::OUTCOME_PROVISIONED);
  // Whether it comes to pass is seen later: an answer may be lost.
  confirmed_.try_emplace(who.ticket, false);
  replica.pipeline->Confirm(
      Line(who.line), request, Deadline(),
      [this, &replica, who](const absl::StatusOr<v1::ConfirmResponse>& outcome) {
        if (replica.fate.dead || !outcome.ok()) return;
        confirmed_[who.ticket] = true;
        if (outcome->device_id() != given_.at(who.ticket).device_id)
          Fault("another device was confirmed than was given");
      });
}

// ---- the end of the world
// --------------------------------------------------------------------------------

void World::AskUntilAnswered(int ticket) {
  Who who{ticket, 0, 0};
  for (int tries = 0; tries < 40; ++tries) {
    std::optional<Answer> told;
    Ask(*replicas_.back(), who, false, &told);
    Settle();
    if (!told) return Fault(absl::StrCat("ticket ", ticket, " is never answered"));
    if (*told == Answer::kAnotherLine) {
      who.line = 1 - who.line;
    } else if (*told == Answer::kConflict) {
      who.content = 1 - who.content;
    } else if (*told != Answer::kAgain) {
      if (confirmed_.contains(ticket) && confirmed_[ticket] && *told != Answer::kWiped)
        Fault("a confirmed identity is still given");
      if (given_.contains(ticket) && *told == Answer::kQuota)
        Fault("what was given is refused for the quota's sake");
      return;
    }
  }
  Fault(absl::StrCat("ticket ", ticket, " was lost: nobody is given it any more"));
}

void World::AskForAll() {
  refused_for_quota_.clear();
  Birth();
  for (int ticket = 0; ticket < tickets_; ++ticket) AskUntilAnswered(ticket);
}

void World::CheckBooks() {
  std::map<std::string, int> by_ticket;
  std::set<std::string> devices;
  std::set<Bytes> serials, keys;
  db::DeviceFilter filter;
  filter.lot = lot_.name;
  const auto rows = store_->ListDevices(filter, 0, 1000);
  std::map<std::string, int> entries;
  for (const auto& [kind, body] : store_->LedgerEntries()) {
    if (kind == db::kSealEntry) ++entries[body];
  }
  std::string all;
  for (const auto& [body, times] : entries) all += body;
  for (const db::ManifestRow& row : *rows) {
    if (++by_ticket[row.ticket.substr(0, row.ticket.find('#'))] > 1)
      Fault("two identities for ticket " + row.ticket);
    if (!devices.insert(row.device_id).second) Fault("two units with one id");
    if (!serials.insert(row.dac_serial).second) Fault("two DACs with one serial");
    if (!keys.insert(Bytes(row.public_key_sha256.begin(), row.public_key_sha256.end())).second)
      Fault("two DACs with one key");
    if (all.find(row.device_id) == std::string::npos)
      Fault("sealed without a ledger entry: " + row.device_id);
  }
  const size_t sealed = rows->size();
  size_t told = 0;
  for (const auto& [body, times] : entries) told += static_cast<size_t>(times);
  if (told != sealed) Fault(absl::StrCat(told, " ledger entries for ", sealed, " identities"));
  for (const auto& [ticket, given] : given_) {
    if (!devices.contains(given.device_id)) Fault("given and lost: " + given.device_id);
  }
  const db::Lot lot = *store_->FindLot(lot_.name);
  if (sealed > lot.count) Fault(absl::StrCat(sealed, " issued of ", lot.count));
  if (lot.claimed != sealed)
    Fault(absl::StrCat("the quota counts ", lot.claimed, " of ", sealed, " issued"));
  const size_t due = std::min<size_t>(lot.count, static_cast<size_t>(tickets_));
  if (sealed != due) Fault(absl::StrCat(sealed, " issued where ", due, " were asked for"));
  issued_ = static_cast<int>(sealed);
}

const Facts& World::Run() {
  const auto steps = 60 + static_cast<int>(chance_.Below(400));
  for (int i = 0; i < steps && facts_.faults.empty(); ++i) Step();
  calm_ = true;
  Settle();
  // The leases of those that died end.
  clock_.now += absl::Seconds(60);
  for (auto& replica : replicas_) {
    if (!replica->fate.dead) static_cast<void>(store_->RenewLease(replica->fate.name, kLease));
    replica->pipeline->VoidOrphans();
  }
  Settle();
  if (facts_.faults.empty()) AskForAll();
  if (unanswered_ != 0) Fault(absl::StrCat(unanswered_, " calls were never answered"));
  if (facts_.faults.empty()) {
    static_cast<void>(store_->VoidDeadAttempts());
    CheckBooks();
  }
  return facts_;
}

}  // namespace assay::simulation
