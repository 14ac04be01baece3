# frozen_string_literal: true

require "socket"
require_relative "connection"

# Accepts connections, a thread for each, until SIGTERM or SIGINT; then lets the requests under way finish.
# The watchdog keeps a few idle connections open and owns all time limits.
class Server
  # The listening socket that `upstream_url` names: the same setting tells the watchdog where to connect.
  def self.listen(url)
    case url
    when %r{\Ahttp\+unix://(?<path>/.+)\z}
      path = Regexp.last_match[:path]
      File.delete(path) if File.socket?(path) # left by a run that was killed
      UNIXServer.new(path)
    when %r{\Ahttp://(?<host>[^/:]+|\[\h*:[\h:.]*\]):(?<port>\d{1,5})(/.*)?\z}
      TCPServer.new(Regexp.last_match[:host].delete("[]"), Regexp.last_match[:port])
    else
      raise ArgumentError, "upstream_url must be http+unix:///PATH or http://HOST:PORT, not #{url.inspect}"
    end
  end

  def initialize(listener, handler)
    @listener = listener
    @handler = handler
  end

  def run
    # Nothing is ever written to this pipe. When its other end is closed every thread that waits sees that.
    stopped, running = IO.pipe
    %w[TERM INT].each { |signal| trap(signal) { running.close } }

    threads = []
    while (socket = accept(stopped))
      threads.keep_if(&:alive?)
      threads << Thread.new(socket) { |s| Connection.new(s, @handler, stopped).serve }
    end
    close_listener
    threads.each(&:join)
  end

  private

  # The next connection; nil when it is time to stop.
  def accept(stopped)
    loop do
      ready, = IO.select([@listener, stopped])
      return if ready.include?(stopped)

      socket = @listener.accept_nonblock(exception: false)
      return socket unless socket == :wait_readable
    rescue Errno::EMFILE, Errno::ENFILE
      sleep 0.1 # until some connection has ended
    rescue Errno::ECONNABORTED
      next
    end
  end

  def close_listener
    File.delete(@listener.path) if @listener.is_a?(UNIXServer)
    @listener.close
  end
end
