# frozen_string_literal: true

require_relative "request"
require_relative "response"

# One connection from the watchdog: request after request, each answered by the handler.
class Connection
  MAX_LINE = 1 << 20

  def initialize(socket, handler, stopped)
    @socket = socket
    @handler = handler
    @stopped = stopped
    @takes_request = handler.method(:run).parameters.count { |kind,| %i[req opt].include?(kind) } > 2
  end

  def serve
    while request_comes? && (request = read_request)
      @socket.write(*answer(request).pieces(head_only: request.http_method == "HEAD"))
    end
  rescue SystemCallError, IOError
    # The client has gone, and the watchdog with it: there is nobody to answer.
  ensure
    @socket.close
  end

  private

  def request_comes?
    ready, = IO.select([@socket, @stopped])
    ready.include?(@socket)
  end

  def answer(request)
    arguments = [request.body, request.headers]
    arguments << request if @takes_request
    Response.from(@handler.run(*arguments))
  rescue InvalidJSON => e
    Response.text(400, e.message)
  rescue Exception => e # all of them: not even `exit` in a handler may leave a call unanswered
    warn e.full_message(highlight: false)
    Response.text(500, "Internal Server Error")
  end

  # nil at the end of the connection.
  def read_request
    request_line = @socket.gets("\r\n", MAX_LINE) or return
    http_method, target, = request_line.split
    path, query = target.split("?", 2)
    headers = Headers.new(read_fields)
    Request.new(http_method, path, query.to_s, headers, read_body(headers))
  end

  def read_fields
    fields = []
    until (line = read_line).empty?
      name, value = line.split(":", 2)
      fields << [name, value.strip]
    end
    fields
  end

  def read_body(headers)
    @socket.write("HTTP/1.1 100 Continue\r\n\r\n") if headers["Expect"]&.casecmp?("100-continue")
    return read_chunks if headers["Transfer-Encoding"]

    read_exactly(headers["Content-Length"].to_i)
  end

  def read_chunks
    body = String.new
    while (size = read_line.hex).positive?
      body << read_exactly(size)
      read_line
    end
    read_fields # trailers
    body
  end

  def read_line
    line = @socket.gets("\r\n", MAX_LINE)
    raise EOFError unless line&.end_with?("\r\n")

    line.chomp("\r\n")
  end

  def read_exactly(size)
    data = @socket.read(size)
    raise EOFError unless data&.bytesize == size

    data
  end
end
