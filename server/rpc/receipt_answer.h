// Receipts as they are sent.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "assay/v1/ledger.pb.h"
#include "server/ledger/archive.h"

namespace assay::rpc {

inline v1::GetReceiptsResponse AnswerOf(const std::string& device_id,
                                        std::vector<ledger::MadeReceipt> receipts) {
  v1::GetReceiptsResponse response;
  response.set_device_id(device_id);
  for (ledger::MadeReceipt& made : receipts) {
    v1::LedgerReceipt& receipt = *response.add_receipts();
    receipt.set_index(made.index);
    receipt.set_entry(std::move(made.entry));
    receipt.set_text(std::move(made.text));
  }
  return response;
}

}  // namespace assay::rpc
