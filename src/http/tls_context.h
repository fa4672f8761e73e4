#pragma once

// What TLS connections share: certificates, keys, whom to trust. TLS 1.2 and later.

#include <memory>
#include <string>

#include "base/result.h"

struct ssl_ctx_st;

namespace glint {

// PEM files. `keyfile` may be empty if `certfile` holds the key too.
struct TlsFiles {
  std::string certfile{};  // the server's certificate, then those that lead to a root
  std::string keyfile{};
  std::string keyfile_password{};
  // Clients must show a certificate that one of these has signed; empty: none is asked for.
  std::string ca_certs{};

  bool enabled() const { return !certfile.empty(); }
};

class TlsContext {
 public:
  // Reads the files now. The Error (kStartup) names the file, what is wrong with it and what to do.
  static Result<std::shared_ptr<const TlsContext>> for_server(const TlsFiles& files);
  // Trusts the certificates in the file `ca_certs`, or, if it is empty, those that this machine
  // trusts (SSL_CERT_FILE and SSL_CERT_DIR are honoured).
  static Result<std::shared_ptr<const TlsContext>> for_client(const std::string& ca_certs);

  ssl_ctx_st* get() const { return context_.get(); }

 private:
  explicit TlsContext(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}
  std::shared_ptr<ssl_ctx_st> context_;
};

}  // namespace glint
