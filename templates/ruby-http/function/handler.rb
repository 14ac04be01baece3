# frozen_string_literal: true

class Handler
  # Returns the answer's body, or [body, headers, status].
  def run(body, headers)
    "Hello, #{body}!\n"
  end
end
