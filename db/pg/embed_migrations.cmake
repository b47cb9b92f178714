# Writes the numbered SQL files of FOLDER as one C++ file, OUTPUT.
file(GLOB files ${FOLDER}/*.sql)
list(SORT files)
set(rows "")
foreach(file ${files})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} sql)
  string(APPEND rows "    {\"${name}\", R\"sql(${sql})sql\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"db/pg/embedded_migrations.h\"

namespace assay::pg {

std::span<const EmbeddedMigration> EmbeddedMigrations() {
  static constexpr EmbeddedMigration kMigrations[] = {
${rows}  };
  return kMigrations;
}

}  // namespace assay::pg
")
