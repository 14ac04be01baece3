# frozen_string_literal: true

# The function's process: an HTTP server for function/handler.rb, behind the watchdog.

$stdout.sync = true # what a handler prints is in the log at once
$LOAD_PATH.unshift(File.join(__dir__, "function"))

gems = File.join(__dir__, "function", "vendor", "bundler", "setup.rb")
require gems if File.exist?(gems)

require_relative "server/server"
require "handler"

handler = Handler.new
url = ENV.fetch("upstream_url", "")
begin
  listener = Server.listen(url)
rescue ArgumentError => e
  abort e.message
rescue SystemCallError, SocketError => e
  abort "cannot listen at #{url}: #{e.message}"
end
Server.new(listener, handler).run
