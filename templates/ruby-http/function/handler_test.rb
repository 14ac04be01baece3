# frozen_string_literal: true

require "minitest/autorun"
require_relative "handler"

class HandlerTest < Minitest::Test
  def test_greets_who_is_in_the_body
    assert_equal "Hello, you!\n", Handler.new.run("you", {})
  end
end
