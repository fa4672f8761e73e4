#pragma once

// A client of one connection, in one thread: whenever it is asked to, the server does all that it
// can do without further bytes.

#include <memory>
#include <string>
#include <string_view>

#include "engine/engine.h"
#include "http/connection.h"

namespace glint {

class ConnectionClient {
 public:
  ConnectionClient(std::shared_ptr<ServerCore> core, Engine& engine);
  ~ConnectionClient();
  ConnectionClient(const ConnectionClient&) = delete;
  ConnectionClient& operator=(const ConnectionClient&) = delete;

  void send(std::string_view bytes);
  void close();  // and the server takes note
  bool connection_is_gone() const { return connection_.expired(); }
  const std::string& received() const { return received_; }

 private:
  void settle();
  bool receive();

  std::shared_ptr<ServerCore> core_;
  Engine& engine_;
  std::weak_ptr<Connection> connection_;
  int socket_ = -1;
  std::string received_;
};

}  // namespace glint
