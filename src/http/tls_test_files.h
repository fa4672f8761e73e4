#pragma once

// Certificates for the tests of http/ and client/, made on the spot: an authority, and what it has
// signed for localhost.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "http/tls_context.h"

namespace glint {

// A folder with ca.pem, server.pem + server.key, client.pem + client.key, and other-ca.pem, which
// signed none of them. Gone when the object is.
class TlsTestFiles {
 public:
  TlsTestFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "glint-tls-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    make_authority("ca");
    make_authority("other-ca");
    sign("server", "subjectAltName=DNS:localhost,IP:127.0.0.1");
    sign("client", "extendedKeyUsage=clientAuth");
  }
  ~TlsTestFiles() { std::filesystem::remove_all(folder_); }
  TlsTestFiles(const TlsTestFiles&) = delete;
  TlsTestFiles& operator=(const TlsTestFiles&) = delete;

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  TlsFiles server() const {
    return {.certfile = path("server.pem"), .keyfile = path("server.key")};
  }
  // A new key and certificate in the old ones' place.
  void renew_server() { sign("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(path(name)) << text;
  }
  void openssl(const std::string& arguments) {
    const std::string command = "cd " + folder_.string() + " && openssl " + arguments + " 2>log";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }

 private:
  static constexpr const char* kNewKey = " -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes ";

  void make_authority(const std::string& name) {
    openssl("req -x509" + std::string(kNewKey) + "-days 2 -subj /CN=" + name + " -keyout " + name +
            ".key -out " + name + ".pem");
  }
  void sign(const std::string& name, const std::string& extension) {
    write(name + ".ext", extension + "\n");
    openssl("req -new" + std::string(kNewKey) + "-subj /CN=" + name + " -keyout " + name +
            ".key -out " + name + ".csr");
    openssl("x509 -req -days 2 -in " + name + ".csr -CA ca.pem -CAkey ca.key -CAcreateserial" +
            " -extfile " + name + ".ext -out " + name + ".pem");
  }

  std::filesystem::path folder_;
};

}  // namespace glint
