#include "server/ops/http.h"

#include <CivetServer.h>

#include <utility>
#include <vector>

#include "base/refusal.h"

namespace assay::ops {
namespace {

void Answer(mg_connection* connection, const char* status, const char* type,
            const std::string& body) {
  mg_printf(connection,
            "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
            status, type, body.size());
  mg_write(connection, body.data(), body.size());
}

class Page final : public CivetHandler {
 public:
  using Serve = std::function<void(mg_connection*)>;
  explicit Page(Serve serve) : serve_(std::move(serve)) {}
  bool handleGet(CivetServer* /*server*/, mg_connection* connection) override {
    serve_(connection);
    return true;
  }

 private:
  Serve serve_;
};

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const std::string& listen, HttpPages pages)
      : pages_(std::move(pages)),
        metrics_([this](mg_connection* connection) {
          Answer(connection, "200 OK", "text/plain; version=0.0.4; charset=utf-8",
                 pages_.metrics());
        }),
        live_([](mg_connection* connection) {
          Answer(connection, "200 OK", "text/plain", "live\n");
        }),
        ready_([this](mg_connection* connection) {
          std::string why;
          const bool ready = pages_.ready(why);
          Answer(connection, ready ? "200 OK" : "503 Service Unavailable", "text/plain",
                 ready ? "ready\n" : "not ready: " + why + "\n");
        }),
        server_(std::vector<std::string>{"listening_ports", listen, "num_threads", "2",
                                         "request_timeout_ms", "10000", "enable_keep_alive",
                                         "no"}) {
    server_.addHandler("/metrics", metrics_);
    server_.addHandler("/livez", live_);
    server_.addHandler("/readyz", ready_);
  }

  int port() { return server_.getListeningPorts().at(0); }

 private:
  const HttpPages pages_;
  Page metrics_, live_, ready_;
  CivetServer server_;  // last: stops before the pages go
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

int HttpServer::port() const { return impl_->port(); }

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& listen,
                                                              HttpPages pages) {
  try {
    return std::unique_ptr<HttpServer>(
        new HttpServer(std::make_unique<Impl>(listen, std::move(pages))));
  } catch (const CivetException&) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "metrics.listen", listen,
                       "the address cannot be listened on");
  }
}

}  // namespace assay::ops
