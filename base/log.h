// Structured logs: one JSON object a line on standard error. Fields are given, never formatted into
// the text.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace assay {

struct LogField {
  LogField(std::string_view key, std::string_view value) : key(key), text(value), is_text(true) {}
  LogField(std::string_view key, const char* value) : LogField(key, std::string_view(value)) {}
  LogField(std::string_view key, const std::string& value)
      : LogField(key, std::string_view(value)) {}
  LogField(std::string_view key, int64_t value)
      : key(key), text(std::to_string(value)), is_text(false) {}
  LogField(std::string_view key, int value) : LogField(key, static_cast<int64_t>(value)) {}
  LogField(std::string_view key, uint64_t value)
      : key(key), text(std::to_string(value)), is_text(false) {}
  std::string key;
  std::string text;
  bool is_text;
};

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Thread-safe. Lines below the level are dropped.
void SetLogLevel(LogLevel level);
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

inline void LogInfo(std::string_view event, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, event, fields);
}
inline void LogWarning(std::string_view event, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, event, fields);
}
inline void LogError(std::string_view event, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, event, fields);
}

}  // namespace assay
