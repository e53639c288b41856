#!/usr/bin/env bash
# Builds the Java client and runs its tests.
#   ./build.sh FOLDER     leaves in FOLDER: tinsmith.jar, conformance (the runner of the scenario,
#                         `conformance ENDPOINT SCENARIO`) and java (runs any class of this folder,
#                         `java examples/Train.java` too)
# The tests of checkpoints need a built service: ../served.sh says which.
# Needs a JDK of at least 17, protoc and four jars, all of them Debian packages.
set -euo pipefail
folder=$(mkdir -p "${1:?build.sh FOLDER}" && cd "$1" && pwd)
cd "$(dirname "$0")"

jars=/usr/share/java
libraries=$jars/jeromq.jar:$jars/protobuf.jar
tools=$jars/protobuf-util.jar:$jars/gson.jar:$jars/guava.jar:$jars/junit4.jar:$jars/hamcrest.jar
for need in /usr/bin/javac /usr/bin/protoc ${libraries//:/ } ${tools//:/ }; do
  [ -e "$need" ] || {
    ../../setup.sh openjdk-17-jdk-headless protobuf-compiler libjeromq-java libprotobuf-java \
      libgoogle-gson-java libguava-java junit4
    break
  }
done

# One Java file for each message: the schema itself says nothing about any one language.
rm -rf "$folder"/{proto,generated,classes}
mkdir -p "$folder"/{proto/tinsmith/v1,generated,classes/{schema,client,tools}}
for file in ../../../Proto/tinsmith/v1/*.proto; do
  [ "$(basename "$file")" != worker.proto ] || continue # between router and workers
  sed 's/^package tinsmith.v1;$/&\noption java_multiple_files = true;/' "$file" \
    >"$folder/proto/tinsmith/v1/$(basename "$file")"
done
protoc --proto_path="$folder/proto" --java_out="$folder/generated" \
  "$folder"/proto/tinsmith/v1/*.proto

compile() { # CLASSES CLASSPATH OPTION... FOLDER
  local sources
  mapfile -t sources < <(find "${@: -1}" -name '*.java')
  javac -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC --release 17 -encoding UTF-8 -g -d "$1" -cp "$2" "${@:3:$#-3}" "${sources[@]}"
}
strict=(-Xlint:all -Werror)
compile "$folder/classes/schema" "$libraries" -nowarn -Xlint:none "$folder/generated"
compile "$folder/classes/client" "$folder/classes/schema:$libraries" "${strict[@]}" src
jar --create --file "$folder/tinsmith.jar" -C "$folder/classes/schema" . -C "$folder/classes/client" .
for part in conformance examples test; do
  compile "$folder/classes/tools" "$folder/tinsmith.jar:$libraries:$tools" "${strict[@]}" $part
done

cat >"$folder/java" <<END
#!/bin/sh
exec java -XX:+UseSerialGC -cp "$folder/classes/tools:$folder/tinsmith.jar:$libraries:$tools" "\$@"
END
cat >"$folder/conformance" <<END
#!/bin/sh
exec "$folder/java" dev.tinsmith.conformance.Conformance "\$@"
END
chmod +x "$folder"/{java,conformance}

"$folder/java" -Dframes=../../../Tests/Conformance/frames.json org.junit.runner.JUnitCore \
  dev.tinsmith.GoldenFramesTest dev.tinsmith.ChannelTest

../served.sh "$folder/java" org.junit.runner.JUnitCore dev.tinsmith.CheckpointClientTest || {
  status=$?
  [ $status -eq 77 ] || exit $status # nothing is built to test against
}
