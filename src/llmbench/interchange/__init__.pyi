from .client_results import ClientResult as ClientResult
from .client_results import read_result as read_result
from .comparing_files import compare_sides as compare_sides
from .comparing_files import import_files as import_files
from .vllm_export import write_vllm_bench as write_vllm_bench
