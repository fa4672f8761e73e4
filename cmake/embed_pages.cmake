# Run by the build as a script (cmake -P): writes OUTPUT, a .cpp file that holds the PAGES, a list of
# <path>=<file in FOLDER>, as HEADER declares them: an array k<NAME> of Page, and kNum<NAME>. CMake alone can do it, so no tool is needed
# for it. A string literal compiles some ten times faster than a list of numbers.
set(text "#include \"${HEADER}\"\n\nnamespace glint {\n\nconst Page k${NAME}[] = {\n")
foreach(page ${PAGES})
  string(REGEX MATCH "^([^=]*)=(.*)$" matched ${page})
  set(path ${CMAKE_MATCH_1})
  set(file ${FOLDER}/${CMAKE_MATCH_2})
  file(READ ${file} hex HEX)
  file(SIZE ${file} size)
  file(SHA256 ${file} hash)
  string(SUBSTRING ${hash} 0 16 etag)
  get_filename_component(suffix ${file} LAST_EXT)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" bytes "${hex}")
  string(APPEND text
    "    {.path = \"${path}\", .suffix = \"${suffix}\", .etag = \"\\\"${etag}\\\"\",\n"
    "     .bytes = {\"${bytes}\", ${size}}},\n")
endforeach()
string(APPEND text "};\nconst size_t kNum${NAME} = sizeof(k${NAME}) / sizeof(k${NAME}[0]);\n\n}  // namespace glint\n")
file(WRITE ${OUTPUT} "${text}")
