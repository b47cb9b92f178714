// Whatever is wrong with a request, its refusal names the field by its path in that request.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/rpc/server.h"
#include "tests/integration/office.h"

namespace assay::integration {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;
using google::protobuf::Reflection;

// Written anew rather than asked of the program: a field, or the name of a choice between fields.
bool Has(const Descriptor* message, const std::string& path) {
  for (const auto step : absl::StrSplit(path, '.')) {
    const std::string name(step.substr(0, step.find('[')));
    if (message == nullptr) return false;
    const FieldDescriptor* field = message->FindFieldByName(name);
    if (field == nullptr && message->FindOneofByName(name) == nullptr) return false;
    message = field == nullptr ? nullptr : field->message_type();
  }
  return true;
}

constexpr int kDeepest = 4;

// One field of a message, with one value. Messages within are filled in turn.
using Fill = std::function<void(Message&, const FieldDescriptor&)>;

// Of a choice between fields only one, every round another.
void FillAll(Message& message, int round, const Fill& fill, int depth = 0) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    const Reflection& reflection = *message.GetReflection();
    const auto* choice = field.real_containing_oneof();
    if (choice != nullptr && field.index_in_oneof() != round % choice->field_count()) continue;
    if (field.message_type() == nullptr) {
      fill(message, field);
    } else if (depth < kDeepest) {
      FillAll(field.is_repeated() ? *reflection.AddMessage(&message, &field)
                                  : *reflection.MutableMessage(&message, &field),
              round, fill, depth + 1);
    }
  }
}

// As many as the widest choice in a request has fields.
int Rounds(const Descriptor& message, int depth = 0) {
  int rounds = 1;
  for (int i = 0; i < message.real_oneof_decl_count(); ++i) {
    rounds = std::max(rounds, message.oneof_decl(i)->field_count());
  }
  for (int i = 0; i < message.field_count() && depth < kDeepest; ++i) {
    const Descriptor* within = message.field(i)->message_type();
    if (within != nullptr) rounds = std::max(rounds, Rounds(*within, depth + 1));
  }
  return rounds;
}

void Set(Message& message, const FieldDescriptor& field, const std::string& text, uint64_t number) {
  const Reflection& to = *message.GetReflection();
  const auto put = [&](auto set, auto add, auto value) {
    if (!field.is_repeated()) return (to.*set)(&message, &field, value);
    to.ClearField(&message, &field);
    (to.*add)(&message, &field, value);
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return put(&Reflection::SetString, &Reflection::AddString, text);
    case FieldDescriptor::CPPTYPE_UINT32:
      return put(&Reflection::SetUInt32, &Reflection::AddUInt32, static_cast<uint32_t>(number));
    case FieldDescriptor::CPPTYPE_UINT64:
      return put(&Reflection::SetUInt64, &Reflection::AddUInt64, number);
    case FieldDescriptor::CPPTYPE_INT32:
      return put(&Reflection::SetInt32, &Reflection::AddInt32, static_cast<int32_t>(number));
    case FieldDescriptor::CPPTYPE_INT64:
      return put(&Reflection::SetInt64, &Reflection::AddInt64, static_cast<int64_t>(number));
    case FieldDescriptor::CPPTYPE_BOOL:
      return put(&Reflection::SetBool, &Reflection::AddBool, number != 0);
    case FieldDescriptor::CPPTYPE_ENUM:
      return put(&Reflection::SetEnumValue, &Reflection::AddEnumValue, static_cast<int>(number));
    default:
      FAIL() << field.full_name() << " is of a type this test does not know";
  }
}

class RefusalPathsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    lot_ = office.OpenLot("paths", office.Light(), 10).name();
    office.MakePai("paths-pai", 0xFFF2);
    v1::IssueResponse response;
    ASSERT_TRUE(office.Issue(Office::Request(lot_, "t-1"), &response).ok());
    device_ = response.identity().device_id();
  }

  grpc::Status Ask(const std::shared_ptr<grpc::Channel>& channel, const MethodDescriptor& method,
                   const Message& request) {
    const std::string bytes = request.SerializeAsString();
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer sent(&slice, 1);
    grpc::ByteBuffer answer;
    grpc::CompletionQueue queue;
    const auto next = [&] {
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
      return ok;
    };
    const auto context = Context();
    const std::string path = absl::StrCat("/", method.service()->full_name(), "/", method.name());
    const auto call = grpc::GenericStub(channel).PrepareCall(context.get(), path, &queue);
    call->StartCall(this);
    next();
    call->WriteLast(sent, grpc::WriteOptions(), this);
    next();
    // A call that is not refused may answer with many messages, and ends when they are read.
    do {
      call->Read(&answer, this);
    } while (next());
    grpc::Status status;
    call->Finish(&status, this);
    next();
    return status;
  }

  void ExpectPath(const MethodDescriptor& method, const Message& request,
                  const grpc::Status& status) {
    const std::string field = MetadataIn(status, "field");
    if (ReasonIn(status).empty()) return;
    ++refusals_;
    // Who asks and what the line may are not the request's fields.
    if (field == "caller" || (field == "line" && ReasonIn(status) == "RATE_LIMITED")) return;
    if (field.empty()) {
      EXPECT_NE(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
      return;
    }
    EXPECT_TRUE(Has(method.input_type(), field))
        << method.full_name() << " has no field " << field << ": " << status.error_message() << "\n"
        << request.ShortDebugString().substr(0, 400);
    // What a part calls the field, left over at the rule's beginning.
    for (const char* word : {"lot: ", "product: ", "pai: ", "issuer: ", "ticket: ", "name: "}) {
      EXPECT_FALSE(absl::StartsWith(MetadataIn(status, "rule"), word))
          << method.full_name() << ": " << status.error_message();
    }
    if (absl::EndsWith(ReasonIn(status), "_TOO_LONG") ||
        absl::EndsWith(ReasonIn(status), "_OUT_OF_RANGE")) {
      EXPECT_NE(MetadataIn(status, "value"), "")
          << method.full_name() << " " << field << ": " << status.error_message();
    }
  }

  // What a field is given so that what comes after it is looked at too.
  std::string Likely(const FieldDescriptor& field, const std::string& name) {
    if (field.name() == "request_id") return office.NextId();
    if (field.name() == "lot") return lot_;
    if (field.name() == "product") return "product-paths";
    if (field.name() == "factory") return "north";
    if (field.name() == "device_id") return device_;
    if (field.name() == "ticket") return "t-1";
    if (field.name() == "csr") return Office::Csr();
    return name;
  }

  std::unique_ptr<Message> New(const MethodDescriptor& method) {
    return std::unique_ptr<Message>(factory_.GetPrototype(method.input_type())->New());
  }

  // `path` counts the fields that are no messages; the one at `place` gets the odd value.
  void AskWith(const std::shared_ptr<grpc::Channel>& channel, const MethodDescriptor& method,
               const std::string& name, int round, int place, const std::string& text,
               uint64_t number) {
    int at = 0;
    const auto request = New(method);
    FillAll(*request, round, [&](Message& message, const FieldDescriptor& field) {
      if (at++ == place) return Set(message, field, text, number);
      Set(message, field, Likely(field, name), 1);
    });
    ExpectPath(method, *request, Ask(channel, method, *request));
  }

  int CountFields(const MethodDescriptor& method, int round) {
    int count = 0;
    const auto request = New(method);
    FillAll(*request, round, [&](Message&, const FieldDescriptor&) { ++count; });
    return count;
  }

  void AskInEveryWay(const std::shared_ptr<grpc::Channel>& channel,
                     const MethodDescriptor& method) {
    const auto empty = New(method);
    ExpectPath(method, *empty, Ask(channel, method, *empty));
    for (int round = 0; round < Rounds(*method.input_type()); ++round) {
      const int fields = CountFields(method, round);
      for (int place = 0; place < fields; ++place) {
        AskWith(channel, method, "nosuch", round, place, "", 0);
        AskWith(channel, method, "nosuch", round, place, "bad/\x01name", 77);
        AskWith(channel, method, lot_, round, place, std::string(600, 'x'), ~uint64_t{0});
        AskWith(channel, method, "paths-pai", round, place, "nosuch", 70'000);
      }
    }
  }

  Office& office = Office::Shared();
  google::protobuf::DynamicMessageFactory factory_;
  std::string lot_, device_;
  int refusals_ = 0;
};

TEST_F(RefusalPathsTest, EveryRefusalNamesItsFieldByThePathInTheRequest) {
  const auto channels = {office.ChannelAs(kOperator), office.ChannelAs(kLine),
                         office.ChannelAs(kCodesAuditor), office.ChannelAs(kAuditor)};
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const std::string& name : rpc::ServiceNames()) {
    const auto* service = pool->FindServiceByName(name);
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodDescriptor& method = *service->method(i);
      // Its answers bear their refusals themselves.
      if (method.server_streaming() && method.client_streaming()) continue;
      for (const auto& channel : channels) AskInEveryWay(channel, method);
    }
  }
  EXPECT_GT(refusals_, 1000);
}

}  // namespace
}  // namespace assay::integration
