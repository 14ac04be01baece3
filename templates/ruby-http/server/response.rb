# frozen_string_literal: true

require "json"

# What a handler has returned, checked and ready to be sent.
class Response
  REASONS = {
    200 => "OK", 201 => "Created", 202 => "Accepted", 204 => "No Content", 206 => "Partial Content",
    301 => "Moved Permanently", 302 => "Found", 303 => "See Other", 304 => "Not Modified",
    307 => "Temporary Redirect", 308 => "Permanent Redirect",
    400 => "Bad Request", 401 => "Unauthorized", 403 => "Forbidden", 404 => "Not Found",
    405 => "Method Not Allowed", 409 => "Conflict", 410 => "Gone", 413 => "Content Too Large",
    415 => "Unsupported Media Type", 422 => "Unprocessable Content", 429 => "Too Many Requests",
    500 => "Internal Server Error", 501 => "Not Implemented", 502 => "Bad Gateway", 503 => "Service Unavailable"
  }.freeze
  FRAMING = %w[connection content-length transfer-encoding].freeze # the server's business
  TOKEN = /\A[!#$%&'*+\-.^_`|~0-9A-Za-z]+\z/

  # `value`: a body, or [body, headers, status]. A Hash or an Array as the body becomes JSON.
  def self.from(value)
    case value
    in [body, Hash => headers, status] then new(body, headers, status)
    else new(value, {}, 200)
    end
  end

  def self.text(status, line)
    new("#{line}\n", { "Content-Type" => "text/plain" }, status)
  end

  def initialize(body, headers, status)
    raise ArgumentError, "not an HTTP status: #{status.inspect}" unless status.is_a?(Integer) && status.between?(200, 599)

    @status = status
    @fields = headers.flat_map { |name, values| fields(name.to_s, values) }
    @body = encode(body)
  end

  # Head and body, to be sent at once.
  def pieces(head_only:)
    lines = ["HTTP/1.1 #{@status} #{REASONS[@status]}", *@fields]
    bodiless = [204, 304].include?(@status)
    lines << "Content-Length: #{@body.bytesize}" unless bodiless
    head = "#{lines.join("\r\n")}\r\n\r\n"
    bodiless || head_only ? [head] : [head, @body]
  end

  private

  def fields(name, values)
    raise ArgumentError, "not the name of a header: #{name.inspect}" unless name.match?(TOKEN)
    return [] if FRAMING.include?(name.downcase)

    Array(values).map do |value|
      line = "#{name}: #{value}".b
      raise ArgumentError, "not the value of a header: #{value.inspect}" if line.match?(/[\x00\r\n]/n)

      line
    end
  end

  def encode(body)
    case body
    when nil then ""
    when String then body
    when Hash, Array
      @fields << "Content-Type: application/json" if @fields.grep(/\Acontent-type:/i).empty?
      JSON.generate(body)
    else raise TypeError, "a handler cannot return #{body.class}"
    end
  end
end
