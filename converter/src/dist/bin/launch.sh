# Sourced by the launchers, of a working tree and of an unpacked distribution: finds a Java 25 and starts bora with it.
# Writes to standard error only.

fail() {
  echo "bora: $1" >&2
  exit 3
}

# A Java's `release` file says its version, much faster than starting it would.
is_java_25() {
  [ -x "$1/bin/$2" ] && grep -q '^JAVA_VERSION="25[.+-]*' "$1/release" 2>/dev/null
}

# find_java PROGRAM DIRECTORY...: sets java to the first Java 25 with that program, looking into the directories before all others.
find_java() {
  program=$1
  shift
  if [ -n "$BORA_JAVA_HOME" ]; then
    is_java_25 "$BORA_JAVA_HOME" "$program" ||
      fail "BORA_JAVA_HOME is no Java 25 with bin/$program: $BORA_JAVA_HOME"
    java=$BORA_JAVA_HOME
    return
  fi
  on_path=$(command -v java) && on_path=$(dirname "$(dirname "$(readlink -f "$on_path")")")
  for java in "$@" "$JAVA_HOME" "$on_path" /usr/lib/jvm/* /Library/Java/JavaVirtualMachines/*/Contents/Home \
      "$HOME"/.sdkman/candidates/java/* "$HOME"/.jdks/*; do
    is_java_25 "$java" "$program" && return
  done
  while read -r java; do
    is_java_25 "$java" "$program" && return
  done <<TOOLCHAINS
$(sed -n 's:.*<jdkHome>\(.*\)</jdkHome>.*:\1:p' "$HOME/.m2/toolchains.xml" 2>/dev/null)
TOOLCHAINS
  fail "found no Java 25 with bin/$program; install a JDK 25 (https://adoptium.net has them) or set BORA_JAVA_HOME to it"
}

# Whether bora's kernels will run in machine code, which asks for no compiler. Those of vectors are no use without the second one.
runs_machine_code() {
  case "$BORA_JAVA_OPTS $JDK_JAVA_OPTIONS $JAVA_TOOL_OPTIONS" in
    *-Dbora.machineCode=*) return 1 ;;
  esac
  # Of x86-64 under Linux, where alone there are such flags; they are those of the class Processor.
  flags=$(grep -m 1 '^flags' /proc/cpuinfo 2>/dev/null) || return 1
  for flag in avx512f avx512bw avx512dq avx512vl avx512vbmi avx512_vbmi2 avx512_vnni; do
    case "$flags " in
      *" $flag "*) ;;
      *) return 1 ;;
    esac
  done
}

# What a recording of Java's is good for. Java itself notices other jars, but not that they were moved.
recorded_for() {
  echo "$java $libraries"
  cat "$java/release"
}

# record JAVA...: runs Java, which writes a recording when it ends. It is kept as a whole or not at all; what it is good for is said last.
record() {
  [ -w "$(dirname "$recording")" ] || fail "cannot write $recording; rehearse as somebody who can"
  trap 'rm -f "$recording.$$" "$recording.for.$$"' EXIT
  # Java tells of its recording at length; of a failure bora's own sentence matters.
  said=$("$@" 2>&1) || { code=$?; printf '%s\n' "$said" | sed -n '/^bora: /,$p' >&2; exit $code; }
  rm -f "$recording.for"
  mv -f "$recording.$$" "$recording" && recorded_for >"$recording.for.$$" && mv -f "$recording.for.$$" "$recording.for" ||
    fail "Java has not written $recording"
}

# start LIBRARIES ARGUMENT...: becomes bora; beside the directory LIBRARIES lies LIBRARIES-release.
start() {
  libraries=$1
  shift
  recording=$libraries.aot

  # Only here is it known whether a person watches: bars are drawn on a terminal alone.
  terminal=false
  [ -t 2 ] && terminal=true

  # Every module makes the start slower, so those for releases are there for the commands that need them.
  more='' modules='' native='' compiling='' heap='' recorded=$recording.for
  case ${1-} in
    '' | -*)
      # Less is loaded than would pay for mapping the recording.
      recorded=''
      ;;
    release | verify-signature | push | pull)
      more=:$libraries-release
      modules=--add-modules=org.bouncycastle.pkix,org.bouncycastle.provider,com.github.luben.zstd_jni,cyclonedx.core.java,com.fasterxml.jackson.dataformat.xml,com.networknt.schema,org.apache.commons.codec,org.apache.commons.collections4,org.apache.commons.io,java.net.http
      native=,com.github.luben.zstd_jni
      ;;
    generate | chat | bench)
      if runs_machine_code; then
        # What is left to be compiled is needed at once, and by all processors: the quick compiler has it ready before the other has begun.
        compiling='-XX:TieredStopAtLevel=1 -Dbora.machineCode=required'
        # Next to nothing is thrown away once all is loaded: room for more of it would only stay resident.
        heap=-XX:MaxNewSize=32m
      else
        # What a person waits for is short: a loop is compiled once, as a whole, and not from its middle before.
        compiling=-XX:-UseOnStackReplacement
        # Vectors are objects until their code is compiled: less room, and collecting them is felt.
        heap=-XX:MaxNewSize=96m
      fi
      ;;
  esac

  command=${1-} file=${2-}
  # shellcheck disable=SC2086 # $modules is a list of options
  set -- --module-path "$libraries$more" $modules --module bora.converter/bora.converter.cli.Main "$@"
  run=exec
  if [ "$command" = rehearse ] && [ -f "$file" ]; then
    run=record
    set -- "-XX:AOTCacheOutput=$recording.$$" "$@"
  elif [ -z "$more" ] && [ -f "$recorded" ] && [ "$(recorded_for)" = "$(cat "$recorded")" ]; then
    set -- "-XX:AOTCache=$recording" "$@"
  fi

  # The virtual machine would write its own warnings to standard output, where only results belong; why it does without a recording is no warning.
  # Vector code is hundreds of times slower before it is compiled, so that is asked for ten times sooner.
  # shellcheck disable=SC2086 # BORA_JAVA_OPTS is a list of options, $compiling and $heap are options, or none
  $run "$java/bin/java" -XX:+UseParallelGC -Xlog:disable -Xlog:all=warning:stderr -Xlog:aot*=off:stderr -XX:+DisplayVMOutputToStderr \
    -XX:CompileCommand=quiet '-XX:CompileCommand=CompileThresholdScaling,bora.runtime.*::*,0.1' \
    '-XX:CompileCommand=CompileThresholdScaling,bora.quantizer.*::*,0.1' $compiling $heap \
    --enable-native-access=bora.formats,bora.runtime,ai.djl.tokenizers,org.jline.nativ$native \
    -Dbora.terminal=$terminal $BORA_JAVA_OPTS "$@"
}
