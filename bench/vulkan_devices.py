"""The devices that Vulkan has, as a line of JSON: [{name, kind, driverVersion}], in the loader's order.

WebGPU (Dawn) takes one of them, on Linux: a discrete card before all others, and a processor's where there is nothing else.
"""

import ctypes
import json

KINDS = ["other", "integrated", "discrete", "virtual", "cpu"]

vulkan = ctypes.CDLL("libvulkan.so.1")


class Application(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("next", ctypes.c_void_p), ("name", ctypes.c_char_p), ("version", ctypes.c_uint32),
                ("engine", ctypes.c_char_p), ("engineVersion", ctypes.c_uint32), ("api", ctypes.c_uint32)]  # fmt: skip


class Creation(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("next", ctypes.c_void_p), ("flags", ctypes.c_uint32),
                ("application", ctypes.POINTER(Application)), ("layerCount", ctypes.c_uint32), ("layers", ctypes.c_void_p),
                ("extensionCount", ctypes.c_uint32), ("extensions", ctypes.c_void_p)]  # fmt: skip


class Properties(ctypes.Structure):
    """The start of VkPhysicalDeviceProperties; limits, which nobody reads, follow."""

    _fields_ = [("api", ctypes.c_uint32), ("driver", ctypes.c_uint32), ("vendor", ctypes.c_uint32),
                ("device", ctypes.c_uint32), ("kind", ctypes.c_int), ("name", ctypes.c_char * 256),
                ("rest", ctypes.c_char * 4096)]  # fmt: skip


def version(vendor, number):
    if vendor == 0x10DE:
        return ".".join(str(part) for part in (number >> 22, number >> 14 & 0xFF, number >> 6 & 0xFF))
    return ".".join(str(part) for part in (number >> 22, number >> 12 & 0x3FF, number & 0xFFF))


def main():
    application = Application(0, None, b"kernelscope", 0, None, 0, (1 << 22) | (1 << 12))
    creation = Creation(1, None, 0, ctypes.pointer(application), 0, None, 0, None)
    instance = ctypes.c_void_p()
    status = vulkan.vkCreateInstance(ctypes.byref(creation), None, ctypes.byref(instance))
    if status != 0:
        raise SystemExit(f"vkCreateInstance: error {status}")
    count = ctypes.c_uint32()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
    devices = (ctypes.c_void_p * count.value)()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), devices)
    found = []
    for device in devices:
        properties = Properties()
        vulkan.vkGetPhysicalDeviceProperties(ctypes.c_void_p(device), ctypes.byref(properties))
        kind = KINDS[properties.kind] if properties.kind < len(KINDS) else "other"
        driver = version(properties.vendor, properties.driver)
        found.append({"name": properties.name.decode(), "kind": kind, "driverVersion": driver})
    print(json.dumps(found))


main()
