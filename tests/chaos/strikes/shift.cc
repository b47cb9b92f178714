#include "tests/chaos/strikes/shift.h"

#include <functional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "tests/integration/office.h"

namespace assay::chaos {
namespace {

constexpr std::chrono::seconds kDeadline{4};
// What a line waits before it asks again.
constexpr std::chrono::milliseconds kPause{50};
constexpr std::chrono::minutes kNever{10};

std::unique_ptr<grpc::ClientContext> Call() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + kDeadline);
  return context;
}

std::string Hex(ByteView bytes) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

Given Kept(const v1::Identity& identity) {
  const Sha256Digest digest = Sha256(AsBytes(identity.dac()));
  return {identity.device_id(), identity.dac_serial(), Hex(digest)};
}

}  // namespace

Shift::Shift(std::vector<std::shared_ptr<grpc::Channel>> channels, ShiftOptions options)
    : channels_(std::move(channels)), options_(std::move(options)) {
  begun_.resize(static_cast<size_t>(options_.lines));
  answered_.resize(static_cast<size_t>(options_.lines), -1);
  for (size_t i = 0; i < begun_.size(); ++i) threads_.emplace_back([this, i] { Work(i); });
}

void Shift::Work(size_t line) {
  const auto stub = v1::IssuanceService::NewStub(channels_[line % channels_.size()]);
  const auto other = v1::IssuanceService::NewStub(channels_[(line + 1) % channels_.size()]);
  for (int n = 0; !stopping_; ++n) {
    v1::IssueRequest request;
    request.set_lot(options_.lot);
    request.set_ticket(absl::StrCat(options_.name, "-", line, "-", n));
    {
      const std::lock_guard lock(mutex_);
      begun_[line] = n;
    }
    v1::Identity identity, again;
    if (!Ask(*stub, request, identity)) return;
    if (n % 4 == 0) {
      if (!Ask(*other, request, again)) return;
      const std::lock_guard lock(mutex_);
      if (again.SerializeAsString() != identity.SerializeAsString()) ++differed_;
    }
    {
      const std::lock_guard lock(mutex_);
      given_[request.ticket()] = Kept(identity);
      answered_[line] = n;
    }
    changed_.notify_all();
    if (n % 20 == 7) {
      Confirm(*stub, request.ticket(), v1::OUTCOME_SCRAPPED);
    } else if (n % 3 == 0) {
      Confirm(*stub, request.ticket(), v1::OUTCOME_PROVISIONED);
    }
  }
}

bool Shift::Ask(Stub& stub, const v1::IssueRequest& request, v1::Identity& identity) {
  while (true) {
    v1::IssueResponse response;
    const grpc::Status status = stub.Issue(Call().get(), request, &response);
    if (status.ok()) {
      identity = response.identity();
      return true;
    }
    Refuse(status);
    if (options_.until_exhausted && integration::ReasonIn(status) == "QUOTA_EXCEEDED") return false;
    std::this_thread::sleep_for(kPause);
  }
}

void Shift::Confirm(Stub& stub, const std::string& ticket, v1::Outcome outcome) {
  v1::ConfirmRequest request;
  request.set_lot(options_.lot);
  request.set_ticket(ticket);
  request.set_outcome(outcome);
  while (true) {
    v1::ConfirmResponse response;
    const grpc::Status status = stub.Confirm(Call().get(), request, &response);
    if (status.ok()) return;
    Refuse(status);
    std::this_thread::sleep_for(kPause);
  }
}

void Shift::Refuse(const grpc::Status& status) {
  const std::string reason = integration::ReasonIn(status);
  const std::lock_guard lock(mutex_);
  ++refused_[reason.empty() ? absl::StrCat("gRPC ", static_cast<int>(status.error_code()))
                            : reason];
  changed_.notify_all();
}

bool Shift::Await(const std::function<bool()>& done) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kNever, done);
}

bool Shift::AwaitEachLine() {
  std::vector<int> before;
  {
    const std::lock_guard lock(mutex_);
    before = begun_;
  }
  return Await([&] {
    for (size_t i = 0; i < before.size(); ++i) {
      if (answered_[i] <= before[i]) return false;
    }
    return true;
  });
}

bool Shift::AwaitRefusal(const std::string& reason) {
  const auto count = [&] {
    int total = 0;
    for (const auto& [name, times] : refused_)
      total += reason.empty() || name == reason ? times : 0;
    return total;
  };
  int before = 0;
  {
    const std::lock_guard lock(mutex_);
    before = count();
  }
  return Await([&] { return count() > before; });
}

std::map<std::string, int> Shift::Refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

size_t Shift::Count() const {
  const std::lock_guard lock(mutex_);
  return given_.size();
}

void Shift::Stop() {
  stopping_ = true;
  AwaitEnd();
}

void Shift::AwaitEnd() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace assay::chaos
