# frozen_string_literal: true

# Trains the embedded model on one line and samples from what came of it.
#   ruby -Ilib examples/train.rb ENDPOINT [STEPS]
require "tinsmith"

endpoint = ARGV[0] || "tcp://127.0.0.1:7410"
steps = Integer(ARGV[1] || 30)
text = "the tinsmith mends a kettle.\n"
data = [Tinsmith::Datum.of(text.bytes)]

Tinsmith::Session.open(endpoint) do |session|
  model = session.create_lora_model("tinsmith/mini", rank: 8, seed: 11)

  # All steps are queued at once; the futures are read afterwards.
  passes = Array.new(steps) do
    pass = model.forward_backward(data)
    [pass, model.optim_step(learning_rate: 1e-2)]
  end
  path = model.save_weights_for_sampler("done", overwrite: true)

  passes.each_with_index do |(pass, step), number|
    puts format("step %<number>3d  loss %<loss>.9f", number: number + 1, loss: pass.value.mean_loss)
    $stdout.flush
    step.value
  end

  sampler = session.sampler(path.value)
  sample = sampler.stream(text.bytes.first(4), max_tokens: 40, temperature: 0, seed: 5, stop: [10])
  print "sample: ", text[0, 4]
  sample.each { |piece| print piece.tokens.map { |id| id < 256 ? id.chr : "?" }.join.inspect[1..-2] }
  puts "  (#{sample.value.sequences.first.stop_reason})"
end
