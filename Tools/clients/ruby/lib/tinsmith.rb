# frozen_string_literal: true

require "google/protobuf"
%w[envelope status tensor sessions training sampling admin].each { |file| require "tinsmith/v1/#{file}_pb" }

# A client of the Tinsmith service; see README.md.
module Tinsmith
  VERSION = "0.1"
  CLIENT_NAME = "tinsmith-ruby/#{VERSION}"

  # Seconds of a clock that only goes forward.
  def self.now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end

%w[status future outbox codec transport connection session model sampler].each do |file|
  require "tinsmith/#{file}"
end
