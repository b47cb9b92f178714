// Who used the processors over a stretch of time.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>

namespace assay::bench {

// Seconds since boot, of all cores together.
struct MachineTime {
  double busy = 0, idle = 0, steal = 0;  // busy is without steal
};

struct CpuReading {
  std::map<std::string, double> of;  // seconds of user and system time, by name
  MachineTime machine;
};

// Processes by name, the caller's own under "client". A process stands for its children too, also
// those that have ended.
class CpuWatch {
 public:
  void Add(const std::string& name, pid_t process) { processes_[name] = process; }
  // A process that is gone reads as zero.
  CpuReading Read() const;

 private:
  std::map<std::string, pid_t> processes_;
};

CpuReading operator-(const CpuReading& end, const CpuReading& begin);

}  // namespace assay::bench
