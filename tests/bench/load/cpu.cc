#include "tests/bench/load/cpu.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>

namespace assay::bench {
namespace {

double Ticks(double ticks) { return ticks / static_cast<double>(sysconf(_SC_CLK_TCK)); }

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// utime, stime, and of the children that were waited for (proc(5)).
double SecondsOf(pid_t process) {
  const std::string stat = ReadAll("/proc/" + std::to_string(process) + "/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0, system = 0, children_user = 0, children_system = 0;
  fields >> user >> system >> children_user >> children_system;
  return Ticks(user + system + children_user + children_system);
}

double SecondsOfTree(pid_t process) {
  double sum = SecondsOf(process);
  const std::string number = std::to_string(process);
  std::istringstream children(ReadAll("/proc/" + number + "/task/" + number + "/children"));
  for (pid_t child = 0; children >> child;) sum += SecondsOf(child);
  return sum;
}

double OwnSeconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

MachineTime ReadMachine() {
  std::istringstream line(ReadAll("/proc/stat"));
  std::string cpu;
  double user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0, steal = 0;
  line >> cpu >> user >> nice >> system >> idle >> wait >> irq >> soft >> steal;
  return {Ticks(user + nice + system + irq + soft), Ticks(idle + wait), Ticks(steal)};
}

}  // namespace

CpuReading CpuWatch::Read() const {
  CpuReading reading;
  reading.of["client"] = OwnSeconds();
  for (const auto& [name, process] : processes_) reading.of[name] = SecondsOfTree(process);
  reading.machine = ReadMachine();
  return reading;
}

CpuReading operator-(const CpuReading& end, const CpuReading& begin) {
  CpuReading spent = end;
  for (auto& [name, seconds] : spent.of) {
    const auto before = begin.of.find(name);
    if (before != begin.of.end()) seconds -= before->second;
  }
  spent.machine.busy -= begin.machine.busy;
  spent.machine.idle -= begin.machine.idle;
  spent.machine.steal -= begin.machine.steal;
  return spent;
}

}  // namespace assay::bench
