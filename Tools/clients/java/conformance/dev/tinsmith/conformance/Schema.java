package dev.tinsmith.conformance;

import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.Descriptors.MethodDescriptor;
import com.google.protobuf.Descriptors.ServiceDescriptor;
import com.google.protobuf.DynamicMessage;
import java.util.List;
import java.util.Locale;
import tinsmith.v1.AdminOuterClass;
import tinsmith.v1.CheckpointsOuterClass;
import tinsmith.v1.FuturesOuterClass;
import tinsmith.v1.Method;
import tinsmith.v1.SamplingOuterClass;
import tinsmith.v1.SessionsOuterClass;
import tinsmith.v1.TrainingOuterClass;

/** The methods of the schema by the names that the scenario gives them. */
final class Schema {
  private static final List<FileDescriptor> FILES = List.of(
      SessionsOuterClass.getDescriptor(),
      TrainingOuterClass.getDescriptor(),
      SamplingOuterClass.getDescriptor(),
      CheckpointsOuterClass.getDescriptor(),
      FuturesOuterClass.getDescriptor(),
      AdminOuterClass.getDescriptor());

  private Schema() {}

  /** The number of {@code Service.Rpc}, or of a text of digits that number itself. */
  static int number(String name) {
    if (Character.isDigit(name.charAt(0))) {
      return Integer.parseInt(name);
    }
    String words = name.replaceAll("([a-z])([A-Z])", "$1_$2").replace('.', '_');
    return Method.valueOf("METHOD_" + words.toUpperCase(Locale.ROOT)).getNumber();
  }

  /** An empty request message of {@code Service.Rpc}. */
  static DynamicMessage request(String name) {
    return DynamicMessage.getDefaultInstance(method(name).getInputType());
  }

  /** An empty response message of {@code Service.Rpc}. */
  static DynamicMessage response(String name) {
    return DynamicMessage.getDefaultInstance(method(name).getOutputType());
  }

  private static MethodDescriptor method(String name) {
    String[] parts = name.split("\\.");
    for (FileDescriptor file : FILES) {
      ServiceDescriptor service = file.findServiceByName(parts[0]);
      if (service != null && service.findMethodByName(parts[1]) != null) {
        return service.findMethodByName(parts[1]);
      }
    }
    throw new IllegalArgumentException("no method " + name);
  }
}
