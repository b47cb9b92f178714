#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace assay {
namespace {

std::shared_ptr<spdlog::logger> Logger() {
  static const auto logger = [] {
    auto made = spdlog::stderr_logger_mt("assay");
    made->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})",
                      spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::warn);
    spdlog::flush_every(std::chrono::seconds(1));
    return made;
  }();
  return logger;
}

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

void AppendJson(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c < 0x20) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out.push_back(static_cast<char>(c));
    }
  }
  out.push_back('"');
}

}  // namespace

void SetLogLevel(LogLevel level) { Logger()->set_level(LevelOf(level)); }

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!Logger()->should_log(LevelOf(level))) return;
  std::string line = "\"event\":";
  AppendJson(line, event);
  for (const LogField& field : fields) {
    line.push_back(',');
    AppendJson(line, field.key);
    line.push_back(':');
    if (field.is_text) {
      AppendJson(line, field.text);
    } else {
      line += field.text;
    }
  }
  Logger()->log(LevelOf(level), "{}", line);
}

}  // namespace assay
