# frozen_string_literal: true

require "json"

# A request's fields, by name in any case. `headers["Accept"]` is the first value, `all` has every one.
class Headers
  include Enumerable

  def initialize(fields)
    @fields = fields
  end

  def [](name)
    all(name).first
  end

  def all(name)
    @fields.filter_map { |n, value| value if n.casecmp?(name) }
  end

  # Every [name, value], in the order in which they came.
  def each(&)
    @fields.each(&)
  end
end

# Answered with 400 when the handler does not rescue it.
class InvalidJSON < StandardError
  def initialize(message = "The request's body is not valid JSON.")
    super
  end
end

# `path` and `query` are as they were sent, still percent-encoded; `body` is a String of bytes.
Request = Struct.new(:http_method, :path, :query, :headers, :body) do
  def json
    JSON.parse(text)
  rescue JSON::ParserError
    raise InvalidJSON
  end

  private

  def text
    text = body.dup.force_encoding(Encoding::UTF_8)
    text.valid_encoding? ? text : raise(InvalidJSON)
  end
end
