// Guarded acts, which one operator proposes and another approves: commands.h tells what a command
// is.
#pragma once

#include <cstdint>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/command/commands.h"
#include "client/command/revocation_commands.h"

namespace assay::client {

// What to propose is typed like the ordinary command.
struct ProposeLotOptions : LotOptions {
  bool dry_run = false;
};
struct ProposePaiOptions : PaiOptions {
  bool dry_run = false;
};
struct ProposeRevokeOptions : RevokeOptions {
  bool dry_run = false;
};
absl::Status ProposeOpenLot(Context& context, const ProposeLotOptions& options);
absl::Status ProposeRaiseLot(Context& context, const ProposeLotOptions& options);
absl::Status ProposeActivatePai(Context& context, const ProposePaiOptions& options);
absl::Status ProposeRevokeLot(Context& context, const ProposeRevokeOptions& options);
absl::Status ProposeRevokePai(Context& context, const ProposeRevokeOptions& options);

struct ProposalOptions {
  std::string id;
  bool all = false;      // list: decided and expired ones too
  uint64_t limit = 100;  // list
  bool dry_run = false;  // approve
  bool yes = false;      // approve
  std::string note;      // reject
};
absl::Status ListProposals(Context& context, const ProposalOptions& options);
absl::Status ShowProposal(Context& context, const ProposalOptions& options);
absl::Status ApproveProposal(Context& context, const ProposalOptions& options);
absl::Status RejectProposal(Context& context, const ProposalOptions& options);

// Grows the tree of commands; `choose` keeps the action of the one typed.
void AddProposalCommands(CLI::App& root, const Choose& choose);

}  // namespace assay::client
