// What every call passes on its way in and out: identity, role, deadline; then the log line and the
// figures.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/deadline.h"
#include "base/random.h"
#include "base/refusal.h"
#include "grpcpp/server_context.h"
#include "server/access/grants.h"
#include "server/rpc/call_deadline.h"

namespace assay::rpc {

// Told of every call's end. Thread-safe and quick.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  // `method` is from a fixed list, `outcome` "OK" or a reason's name.
  virtual void CallEnded(std::string_view method, std::string_view outcome,
                         std::chrono::nanoseconds took) = 0;
  // Told as well when the outcome is a refusal; `caller` is a URI, empty where there was none.
  virtual void CallRefused(std::string_view caller, std::string_view method, Reason reason) {
    static_cast<void>(caller), static_cast<void>(method), static_cast<void>(reason);
  }
};

struct CallLimits {
  DeadlineLimits deadline;
  int stream_in_flight = 64;  // items of one stream under way; reading stops there
};

class FrontDesk;

// One call, or one item of a stream. Made and ended once; between the two it may wander between
// threads.
class Call {
 public:
  // What the desk found; the rest means something only when this is OK.
  const absl::Status& admitted() const { return admitted_; }
  const access::Caller& caller() const { return caller_; }
  Deadline deadline() const { return deadline_; }
  const std::string& trace_id() const { return trace_id_; }
  // For the log line.
  void About(std::string_view ticket, std::string_view lot);

  // Writes the log line, counts, and answers what gRPC is to be told.
  grpc::Status End(const absl::Status& status);

 private:
  friend class FrontDesk;
  std::string_view method_;
  absl::Status admitted_;
  access::Caller caller_;
  Deadline deadline_;
  std::string trace_id_;
  std::string ticket_, lot_;
  std::chrono::steady_clock::time_point began_;
  CallObserver* observer_ = nullptr;
};

// Thread-safe; outlives every call.
class FrontDesk {
 public:
  FrontDesk(const access::Grants& grants, Random& random, CallObserver& observer,
            CallLimits limits = {});

  // `method` must outlive the call: pass a literal such as "assay.v1.IssuanceService/Issue".
  std::shared_ptr<Call> Admit(const grpc::CallbackServerContext& context,
                              std::string_view method) const;

  // One item of a stream that was admitted as `stream`: the same caller looked at again if the
  // grants were replaced meanwhile, a deadline of its own within the stream's, its own log line.
  std::shared_ptr<Call> AdmitItem(const Call& stream,
                                  std::chrono::system_clock::time_point stream_deadline,
                                  std::string_view method) const;

  std::shared_ptr<const CallLimits> limits() const { return limits_.load(); }
  void SetLimits(CallLimits limits) { limits_.store(std::make_shared<const CallLimits>(limits)); }

 private:
  void Check(Call& call, std::string_view uri,
             std::chrono::system_clock::time_point deadline) const;

  const access::Grants& grants_;
  Random& random_;
  CallObserver& observer_;
  std::atomic<std::shared_ptr<const CallLimits>> limits_;
};

}  // namespace assay::rpc
