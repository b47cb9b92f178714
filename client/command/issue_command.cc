#include <atomic>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <limits>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "assay/v1/catalog.grpc.pb.h"
#include "assay/v1/issuance.grpc.pb.h"
#include "base/refusal.h"
#include "client/command/commands.h"
#include "client/command/device_table.h"
#include "client/command/issue_order.h"
#include "client/device_folder.h"
#include "client/identity_check.h"
#include "client/issue_run.h"
#include "client/issue_stream.h"
#include "client/manifest.h"
#include "client/progress.h"

namespace assay::client {
namespace {

using Issuance = v1::IssuanceService::Stub;
using Catalog = v1::CatalogService::Stub;

constexpr size_t kMaxBatch = 64;
constexpr size_t kMaxWaiting = 256;  // answers not yet on disk; more and the stream is not read
constexpr size_t kMaxShown = 20;     // devices in the table at the end

std::atomic<bool> interrupted{false};

// The first ctrl-C stops sending and lets what is in flight end; the second ends the program.
class InterruptGuard {
 public:
  InterruptGuard() {
    interrupted = false;
    struct sigaction action = {};
    action.sa_handler = [](int) { interrupted = true; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
  }
  ~InterruptGuard() {
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
  }
};

bool StopsTheRun(const absl::Status& status) {
  const auto refusal = RefusalOf(status);
  if (!refusal) return true;
  switch (refusal->reason) {
    case Reason::CSR_MALFORMED:
    case Reason::CSR_TOO_LARGE:
    case Reason::CSR_CURVE:
    case Reason::CSR_SIGNATURE:
    case Reason::PUBLIC_KEY_REUSED:
    case Reason::TICKET_CONFLICT:
    case Reason::TICKET_OF_ANOTHER_LINE:
    case Reason::IDENTITY_WIPED:
    case Reason::SERIAL_NUMBER_TAKEN:
    case Reason::VALUE_TAKEN:
    case Reason::DEVICE_UNKNOWN:
    case Reason::MODULE_COMPLETED:
    case Reason::MODULE_UNFIT:
    case Reason::DAC_INVALID:
      return false;  // this unit's trouble, not the next one's
    default:
      return true;
  }
}

// Takes identities from the stream and keeps them in batches on a thread of its own, so that the
// disk and the server work at the same time.
class Keeper {
 public:
  Keeper(IssueRun& run, const v1::ProductSpec& spec, Progress& progress,
         std::function<absl::Status(const std::vector<v1::Identity>&)> kept)
      : run_(run), spec_(spec), progress_(progress), kept_(std::move(kept)), thread_([this] {
          Loop();
        }) {}
  ~Keeper() { (void)End(); }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  // False once keeping has failed.
  bool Take(v1::Identity identity) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_.size() < kMaxWaiting || !fault_.ok(); });
    waiting_.push_back(std::move(identity));
    changed_.notify_all();
    return fault_.ok();
  }

  absl::Status End() {
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
    return fault_;
  }

 private:
  void Loop() {
    while (true) {
      std::vector<v1::Identity> batch;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !waiting_.empty() || ended_; });
        if (waiting_.empty() || !fault_.ok()) return;
        while (!waiting_.empty() && batch.size() < kMaxBatch) {
          batch.push_back(std::move(waiting_.front()));
          waiting_.pop_front();
        }
        changed_.notify_all();
      }
      absl::Status status = run_.Keep(batch, spec_);
      if (status.ok()) status = kept_(batch);
      if (status.ok()) progress_.Add(batch.size());
      std::lock_guard lock(mutex_);
      if (fault_.ok()) fault_ = status;
      changed_.notify_all();
    }
  }

  IssueRun& run_;
  const v1::ProductSpec& spec_;
  Progress& progress_;
  std::function<absl::Status(const std::vector<v1::Identity>&)> kept_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<v1::Identity> waiting_;
  absl::Status fault_;
  bool ended_ = false;
  std::thread thread_;
};

absl::Status ConfirmTicket(Connection& connection, Issuance& stub, const std::string& lot,
                           const std::string& ticket, v1::Outcome outcome) {
  v1::ConfirmRequest request;
  request.set_lot(lot);
  request.set_ticket(ticket);
  request.set_outcome(outcome);
  return connection.Call(stub, &Issuance::Confirm, request).status();
}

absl::StatusOr<v1::Lot> GetLot(Connection& connection, const std::string& name) {
  const auto stub = v1::CatalogService::NewStub(connection.channel());
  v1::GetLotRequest request;
  request.set_name(name);
  return connection.Call(*stub, &Catalog::GetLot, request);
}

// What is told of the devices at the end.
struct Shown {
  std::mutex mutex;
  std::vector<v1::Identity> first;
  uint64_t sealed_before = 0;
};

// Streams what is missing; returns the first fault, and tells the others as remarks.
absl::Status StreamMissing(Context& context, Connection& connection, IssueRun& run,
                           const IssueOptions& options, const v1::ProductSpec& spec, Shown& shown) {
  const auto stub = v1::IssuanceService::NewStub(connection.channel());
  Progress progress(context.remarks(), run.had(), run.total());
  Keeper keeper(run, spec, progress, [&](const std::vector<v1::Identity>& kept) -> absl::Status {
    for (const v1::Identity& identity : kept) {
      if (options.confirm) {
        ASSAY_RETURN_IF_ERROR(ConfirmTicket(connection, *stub, options.lot, identity.ticket(),
                                            v1::OUTCOME_PROVISIONED));
      }
      if (context.json()) {
        context.Print(JsonLineOf(identity));
        continue;
      }
      std::lock_guard lock(shown.mutex);
      if (shown.first.size() < kMaxShown) shown.first.push_back(identity);
    }
    return absl::OkStatus();
  });
  absl::Status first_fault;
  const auto take = [&](const std::string& ticket, absl::StatusOr<v1::IssueResponse> outcome) {
    absl::Status status =
        outcome.ok() ? CheckIdentity(outcome->identity(), spec) : outcome.status();
    if (status.ok()) {
      if (outcome->sealed_before()) ++shown.sealed_before;
      return keeper.Take(std::move(*outcome->mutable_identity()));
    }
    const auto refusal = RefusalOf(status);
    // Some refusals are of the ticket itself, and name it.
    if (!refusal || refusal->field != "ticket") {
      status = Within(absl::StrCat("ticket ", ticket), status);
    }
    if (first_fault.ok()) {
      first_fault = status;
    } else if (!StopsTheRun(status)) {
      context.Remark(absl::StrCat("assay: refused: ", FaultLine(status)));
    }
    return !StopsTheRun(status);
  };
  size_t at = 0;
  const auto next = [&]() -> std::optional<v1::IssueRequest> {
    if (at == run.missing().size()) return std::nullopt;
    return RequestFor(run.missing()[at++], options.lot);
  };
  IssueStreamOptions stream;
  stream.window = options.window;
  // Else longer than a call's patience: tickets that a killed assayd held are free only when its
  // lease has ended.
  if (context.options().patience_seconds) {
    stream.give_up_after = std::max(std::chrono::milliseconds(1000), connection.patience().in_all);
  }
  const absl::Status streamed =
      IssueMany(connection, stream, next, take, [] { return interrupted.load(); });
  const absl::Status kept = keeper.End();
  progress.End();
  if (!first_fault.ok()) return first_fault;
  return kept.ok() ? streamed : kept;
}

}  // namespace

absl::Status Issue(Context& context, const IssueOptions& options) {
  CallPatience patience;
  patience.in_all = IssueStreamOptions().give_up_after;
  const auto connection = context.Connect("line", patience);
  if (!connection.ok()) return connection.status();
  const auto lot = GetLot(**connection, options.lot);
  if (!lot.ok()) return lot.status();
  const auto order = OrderOf(context, options, lot->spec());
  if (!order.ok()) return order.status();
  const std::string folder = options.out.empty() ? options.lot : options.out;
  auto run = IssueRun::Begin(folder, *order, context.random());
  if (!run.ok()) return run.status();
  if (run->had() > 0) {
    context.Remark(absl::StrCat("continuing in ", folder, ": ", run->had(), " of ", run->total(),
                                " devices are there"));
  }
  if (options.confirm && !run->mended().empty()) {
    const auto stub = v1::IssuanceService::NewStub((*connection)->channel());
    for (const std::string& ticket : run->mended()) {
      ASSAY_RETURN_IF_ERROR(
          ConfirmTicket(**connection, *stub, options.lot, ticket, v1::OUTCOME_PROVISIONED));
    }
  }
  // What a stopped or repeated run had already is shown with the rest, never left out in silence.
  std::vector<v1::Identity> had_before;
  if (run->had() > 0) {
    auto read = ReadManifest(PathBelow(folder, "manifest.csv"),
                             context.json() ? std::numeric_limits<size_t>::max() : kMaxShown);
    if (!read.ok()) return read.status();
    had_before = *std::move(read);
  }
  if (context.json()) {
    for (const v1::Identity& device : had_before) context.Print(JsonLineOf(device));
  }
  Shown shown;
  InterruptGuard guard;
  const absl::Status status = run->missing().empty() ? absl::OkStatus()
                                                     : StreamMissing(context, **connection, *run,
                                                                     options, lot->spec(), shown);
  if (!context.json() && (options.show_qr || run->total() <= kMaxShown)) {
    had_before.insert(had_before.end(), shown.first.begin(), shown.first.end());
    had_before.resize(std::min(had_before.size(), kMaxShown));
    PrintDevices(context, had_before, options.show_qr);
  }
  if (run->missing().empty()) {
    context.Remark(absl::StrCat("picked up: all ", run->total(),
                                " devices were issued before and are in ", folder,
                                "; give a larger -n or another --out for more"));
  }
  if (shown.sealed_before > 0) {
    context.Remark(absl::StrCat(shown.sealed_before,
                                " of them had been sealed before and were fetched again"));
  }
  if (interrupted && status.ok() && !run->missing().empty()) {
    return absl::CancelledError("stopped; run the same command again to go on");
  }
  if (status.ok()) {
    context.Remark(absl::StrCat("devices in ", folder, ", list in ", folder, "/manifest.csv"));
  }
  return status;
}

absl::Status Fetch(Context& context, const TicketOptions& options) {
  const auto connection = context.Connect("line");
  if (!connection.ok()) return connection.status();
  const auto lot = GetLot(**connection, options.lot);
  if (!lot.ok()) return lot.status();
  const auto stub = v1::IssuanceService::NewStub((*connection)->channel());
  v1::GetSealedRequest request;
  request.set_lot(options.lot);
  request.set_ticket(options.ticket);
  const auto response = (*connection)->Call(*stub, &Issuance::GetSealed, request);
  if (!response.ok()) return response.status();
  ASSAY_RETURN_IF_ERROR(CheckIdentity(response->identity(), lot->spec()));
  auto files = DeviceFiles(response->identity(), lot->spec());
  if (!files.ok()) return files.status();
  const std::string folder = options.out.empty() ? options.ticket : options.out;
  ASSAY_RETURN_IF_ERROR(WriteDeviceFiles(folder, *files));
  PrintDevices(context, {response->identity()}, false);
  return absl::OkStatus();
}

absl::Status ConfirmUnit(Context& context, const TicketOptions& options) {
  const auto connection = context.Connect("line");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::IssuanceService::NewStub((*connection)->channel());
  ASSAY_RETURN_IF_ERROR(ConfirmTicket(
      **connection, *stub, options.lot, options.ticket,
      options.outcome == "scrapped" ? v1::OUTCOME_SCRAPPED : v1::OUTCOME_PROVISIONED));
  context.Remark(absl::StrCat(options.ticket, " is ", options.outcome));
  return absl::OkStatus();
}

}  // namespace assay::client
