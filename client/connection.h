// A connection to assayd as one role: mutual TLS, and calls that are retried where a retry is safe
// and asked for.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/fault.h"
#include "client/profile.h"
#include "client/whole_images.h"
#include "grpcpp/grpcpp.h"

namespace assay::client {

struct CallPatience {
  std::chrono::milliseconds each{30000};      // deadline of one attempt
  std::chrono::milliseconds in_all{20000};    // no attempt begins later than this
  std::chrono::milliseconds first_wait{200};  // doubles up to `longest_wait`, with jitter
  std::chrono::milliseconds longest_wait{5000};
};

// Thread-safe. Every call of the contract may be repeated (mutating ones carry a request id or a
// ticket), so each is: on UNAVAILABLE and wherever the server names a delay, until the patience
// ends; then the last refusal is returned.
class Connection {
 public:
  // Reads certificate, key and CA; does not connect yet.
  static absl::StatusOr<std::shared_ptr<Connection>> Open(const Profile& profile,
                                                          const std::string& role,
                                                          CallPatience patience = {});
  // For tests and programs that make their own channel.
  static std::shared_ptr<Connection> Over(std::shared_ptr<grpc::Channel> channel,
                                          CallPatience patience = {});

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  const CallPatience& patience() const { return patience_; }

  // connection.Call(*stub, &v1::CatalogService::Stub::GetLot, request)
  // Images in the answer are whole, though they travel without erased flash.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request) {
    Response response;
    const absl::Status status = Repeat([&](grpc::ClientContext& context) {
      response.Clear();
      TakeShortImages(context);
      return (stub.*method)(&context, request, &response);
    });
    if (!status.ok()) return status;
    MakeImagesWhole(response);
    return response;
  }

 private:
  Connection(std::shared_ptr<grpc::Channel> channel, CallPatience patience)
      : channel_(std::move(channel)), patience_(patience) {}
  absl::Status Repeat(const std::function<grpc::Status(grpc::ClientContext&)>& attempt) const;

  std::shared_ptr<grpc::Channel> channel_;
  CallPatience patience_;
};

// What to wait before attempt number `attempt` (from 1): what the server asked for, at least the
// doubling backoff.
std::chrono::milliseconds WaitBefore(int attempt, std::chrono::milliseconds asked,
                                     const CallPatience& patience);

// Waits, and has the channel connect meanwhile: gRPC moves a handshake on only while somebody waits
// on the channel, and else looks every five seconds, so that plain sleep would miss a server that
// has long been back.
void WaitConnecting(grpc::Channel& channel, std::chrono::milliseconds wait);

// A fresh request id: 128 random bits in hex.
std::string NewRequestId();

}  // namespace assay::client
