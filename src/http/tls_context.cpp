#include "http/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace glint {
namespace {

Error bad_file(const std::string& flag, const std::string& path, const std::string& problem) {
  return {ErrorCode::kStartup, cat(flag, " ", path, ": ", problem), {}};
}

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

Result<void> check_readable(const std::string& flag, const std::string& path) {
  if (access(path.c_str(), R_OK) == 0) return {};
  return bad_file(flag, path, cat("cannot be read: ", std::strerror(errno), "."));
}

struct Password {
  const std::string& text;
  bool wanted = false;  // the key is encrypted
};

// Instead of OpenSSL's own, which would ask on the terminal.
int give_password(char* buffer, int size, int, void* data) {
  auto& password = *static_cast<Password*>(data);
  password.wanted = true;
  if (password.text.empty() || password.text.size() > static_cast<size_t>(size)) return 0;
  std::memcpy(buffer, password.text.data(), password.text.size());
  return static_cast<int>(password.text.size());
}

// The first protocol that both know; only HTTP/1.1 is ours.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned offered_size, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* found = nullptr;
  const int outcome =
      SSL_select_next_proto(&found, chosen_size, kOurs, sizeof(kOurs) - 1, offered, offered_size);
  *chosen = found;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

std::shared_ptr<SSL_CTX> make_context(const SSL_METHOD* method) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(method), &SSL_CTX_free);
  CHECK(context != nullptr, "SSL_CTX_new: ", openssl_reason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // What is written again after a full socket may have moved and grown. Idle connections hold no
  // buffers.
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  return context;
}

Result<void> use_certificate(SSL_CTX* context, const TlsFiles& files) {
  TRY(check_readable("--ssl-certfile", files.certfile));
  if (SSL_CTX_use_certificate_chain_file(context, files.certfile.c_str()) == 1) return {};
  return bad_file("--ssl-certfile", files.certfile,
                  cat("has no PEM certificate that can be used (", openssl_reason(), ")."));
}

Error bad_key(const TlsFiles& files, const std::string& path, bool encrypted) {
  const unsigned long code = ERR_peek_last_error();
  std::string problem = cat("has no PEM private key that can be used (", openssl_reason(), ").");
  if (ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH) {
    problem = cat("is not the key of the certificate in ", files.certfile, ".");
  } else if (encrypted) {
    problem = files.keyfile_password.empty()
                  ? "is encrypted: give --ssl-keyfile-password."
                  : "is encrypted, and not with the --ssl-keyfile-password given.";
  }
  return bad_file("--ssl-keyfile", path, problem);
}

Result<void> use_key(SSL_CTX* context, const TlsFiles& files) {
  const std::string& path = files.keyfile.empty() ? files.certfile : files.keyfile;
  TRY(check_readable("--ssl-keyfile", path));
  Password password{.text = files.keyfile_password};
  SSL_CTX_set_default_passwd_cb(context, give_password);
  SSL_CTX_set_default_passwd_cb_userdata(context, &password);
  const bool used = SSL_CTX_use_PrivateKey_file(context, path.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  if (used) return {};
  return bad_key(files, path, password.wanted);
}

Result<void> want_client_certificates(SSL_CTX* context, const std::string& ca_certs) {
  TRY(check_readable("--ssl-ca-certs", ca_certs));
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(ca_certs.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(context, ca_certs.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return bad_file("--ssl-ca-certs", ca_certs,
                    cat("has no PEM certificate that can be used (", openssl_reason(), ")."));
  }
  SSL_CTX_set_client_CA_list(context, names);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return {};
}

// Where distributions keep the certificates that they trust: a static OpenSSL knows only its own
// folder.
void load_system_certificates(SSL_CTX* context) {
  SSL_CTX_set_default_verify_paths(context);
  constexpr std::array<const char*, 4> kBundles = {"/etc/ssl/certs/ca-certificates.crt",
                                                   "/etc/pki/tls/certs/ca-bundle.crt",
                                                   "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
  if (std::getenv("SSL_CERT_FILE") != nullptr || std::getenv("SSL_CERT_DIR") != nullptr) return;
  for (const char* bundle : kBundles) {
    if (access(bundle, R_OK) != 0) continue;
    SSL_CTX_load_verify_file(context, bundle);
    return;
  }
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::for_server(const TlsFiles& files) {
  ERR_clear_error();
  auto context = make_context(TLS_server_method());
  // Many clients close without saying so first; what they had asked for is complete all the same.
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  constexpr std::string_view kSessions = "glint";
  SSL_CTX_set_session_id_context(context.get(),
                                 reinterpret_cast<const unsigned char*>(kSessions.data()),
                                 static_cast<unsigned>(kSessions.size()));
  TRY(use_certificate(context.get(), files));
  TRY(use_key(context.get(), files));
  if (!files.ca_certs.empty()) TRY(want_client_certificates(context.get(), files.ca_certs));
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(context)));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_client(const std::string& ca_certs) {
  ERR_clear_error();
  auto context = make_context(TLS_client_method());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (ca_certs.empty()) {
    load_system_certificates(context.get());
  } else {
    TRY(check_readable("--cacert", ca_certs));
    if (SSL_CTX_load_verify_file(context.get(), ca_certs.c_str()) != 1) {
      return bad_file("--cacert", ca_certs,
                      cat("has no PEM certificate that can be used (", openssl_reason(), ")."));
    }
  }
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(context)));
}

}  // namespace glint
